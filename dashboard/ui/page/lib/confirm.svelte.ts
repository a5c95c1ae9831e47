// Some acts ask for the password again. The request waits here meanwhile, and then goes on by itself.
class Confirm {
  /** A question is open. */
  asking = $state(false);
  private waiting: ((yes: boolean) => void)[] = [];

  /** Resolves when the password was given (true) or not (false). Many requests share one question. */
  ask = (): Promise<boolean> => {
    this.asking = true;
    return new Promise((done) => this.waiting.push(done));
  };

  answer = (yes: boolean): void => {
    this.asking = false;
    const all = this.waiting;
    this.waiting = [];
    for (const done of all) done(yes);
  };
}

export const confirm = new Confirm();
