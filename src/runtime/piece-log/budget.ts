// Bytes that may be in memory at once. Who asks for more than is left waits, first come first served.

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export class ByteBudget {
  readonly #limit: number;
  readonly #waiters: Waiter[] = [];
  #taken = 0;
  #isClosed: Error | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the bytes are the caller's. More than the limit is had only when nobody else has any. */
  async take(bytes: number): Promise<void> {
    if (this.#isClosed !== undefined) throw this.#isClosed;
    if (this.#waiters.length === 0 && this.#fits(bytes)) {
      this.#taken += bytes;
      return;
    }
    await new Promise<void>((resolve, reject) => this.#waiters.push({ bytes, resolve, reject }));
  }

  give(bytes: number): void {
    this.#taken -= bytes;
    for (let next = this.#waiters[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiters[0]) {
      this.#waiters.shift();
      this.#taken += next.bytes;
      next.resolve();
    }
  }

  /** Everyone who waits, now or later, is refused. */
  close(reason: Error): void {
    this.#isClosed ??= reason;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#limit;
  }
}
