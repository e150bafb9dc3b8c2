// The caller's functions as operations call them: whatever they do, the operation goes on. One that throws must neither
// keep memory from being released nor end the process, and what it throws is no failure of the operation.

import type { CallEvents } from './types.ts';

/** `events` with callbacks that never throw. */
export function guardedEvents<T extends CallEvents>(events: T): T {
  const { onProgress, onNotice } = events;
  return {
    ...events,
    ...(onProgress === undefined ? {} : { onProgress: guarded(onProgress) }),
    ...(onNotice === undefined ? {} : { onNotice: guarded(onNotice) }),
  };
}

function guarded<E>(callback: (event: E) => unknown): (event: E) => void {
  return (event) => {
    try {
      // An async function is a callback too; its rejection is nobody else's.
      void Promise.resolve(callback(event)).catch(() => undefined);
    } catch {
      // It is the caller's own: the operation has nobody to tell.
    }
  };
}
