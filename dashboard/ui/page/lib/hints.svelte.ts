// Hints for whoever is new here; each can be put away for good in this browser.
type Name = 'connect' | 'keys';

class Hints {
  private gone = $state.raw<ReadonlySet<Name>>(new Set((['connect', 'keys'] as const).filter(dropped)));

  wanted = (name: Name): boolean => !this.gone.has(name);

  drop(name: Name): void {
    this.gone = new Set([...this.gone, name]);
    try {
      localStorage.setItem(`ioc.hint.${name}`, 'gone');
    } catch {
      // Without storage it holds until the page is closed.
    }
  }
}

function dropped(name: Name): boolean {
  try {
    return localStorage.getItem(`ioc.hint.${name}`) === 'gone';
  } catch {
    return false;
  }
}

export const hint = new Hints();
