// Tasks one after the other: what works on the head must not meet another that does.

export class TaskQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `task` when all before it have ended, however they ended. */
  run<T>(task: () => Promise<T> | T): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
