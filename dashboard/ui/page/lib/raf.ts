// One animation-frame scheduler for all imperative drawing: each task runs at most once a frame,
// however often it was asked for.
const tasks = new Set<() => void>();
let asked = false;

function run(): void {
  asked = false;
  const batch = [...tasks];
  tasks.clear();
  for (const task of batch) task();
}

export function schedule(task: () => void): void {
  tasks.add(task);
  if (!asked) {
    asked = true;
    requestAnimationFrame(run);
  }
}

export function unschedule(task: () => void): void {
  tasks.delete(task);
}
