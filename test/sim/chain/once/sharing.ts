// Whether nodes of one process share what they work out, and when that is forgotten. A memo is no part of a run: with and without it the same
// things happen, which a campaign checks by running some seeds both ways.

/** Memos that forget everything when a run begins. */
const memos: { clear(): void }[] = [];
let isOn = false;

/** Before a run: forgets what the one before has left. */
export function beginSharing(isShared: boolean): void {
  isOn = isShared;
  for (const memo of memos) memo.clear();
}

export const isSharing = (): boolean => isOn;

/** Has `memo` forgotten with all others. */
export function memo<T extends { clear(): void }>(memo: T): T {
  memos.push(memo);
  return memo;
}

/** Equal for equal bytes only. */
export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
