# Sourced: copies the page's sources to $WORK (a folder outside of them) with its packages, and goes there.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=${WORK:?folder for node_modules and the build}
mkdir -p "$work/ui" "$work/golden"
work=$(cd "$work" && pwd)
# The tests read ../golden/frames.json, as in the source tree.
cp "$here"/../golden/*.json "$work/golden/"
# A file that is gone from the sources must not stay in a folder that is kept.
find "$work/ui" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
tar -C "$here" --exclude=node_modules -cf - . | tar -C "$work/ui" -xf -
cd "$work/ui"
if ! cmp -s package-lock.json node_modules/.ioc-lock; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.ioc-lock
fi
export IOC_CONFIG="$here/../../config" IOC_UI_BUILT="$work/dist"
