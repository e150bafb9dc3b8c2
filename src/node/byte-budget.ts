// A bound on bytes that are in memory at once: whoever wants more waits for others to finish, in order of arrival.
// Invariant: held <= capacity, unless a single use is larger than the capacity and alone.

import { StoreError } from '../base/errors.ts';

export interface ByteBudget {
  /** Runs `work` while `bytes` count against the budget. Throws ABORTED when `signal` fires while it waits. */
  use<T>(bytes: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  readonly heldBytes: number;
}

export function createByteBudget(capacity: number): ByteBudget {
  let held = 0;
  const waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  const fits = (bytes: number): boolean => held === 0 || held + bytes <= capacity;

  function admitNext(): void {
    while (waiting.length > 0 && fits(waiting[0]!.bytes)) {
      const { bytes, enter } = waiting.shift()!;
      held += bytes;
      enter();
    }
  }

  async function wait(bytes: number, signal: AbortSignal): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const entry = { bytes, enter: turn.resolve };
    const onAbort = (): void => {
      const at = waiting.indexOf(entry);
      if (at < 0) return;
      waiting.splice(at, 1);
      turn.reject(new StoreError('ABORTED', 'the caller went away'));
      // Whoever stood behind may be small enough to go now.
      admitNext();
    };
    waiting.push(entry);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    async use(bytes, signal, work) {
      if (signal.aborted) throw new StoreError('ABORTED', 'the caller went away');
      if (waiting.length === 0 && fits(bytes)) held += bytes;
      else await wait(bytes, signal);
      try {
        return await work();
      } finally {
        held -= bytes;
        admitNext();
      }
    },
    get heldBytes() {
      return held;
    },
  };
}
