// Mutations of byte strings from a seeded generator, so that a finding is a seed and an iteration.

/** Deterministic 32-bit generator (xorshift): equal seeds, equal streams. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

/** A sample with a few flips, cuts, insertions or interesting values, or plain noise. */
export function mutate(samples: readonly Uint8Array[], next: () => number): Uint8Array {
  if (next() % 8 === 0) return noise(next() % 200, next);
  let bytes = Uint8Array.from(samples[next() % samples.length]!);
  for (let count = 1 + (next() % 4); count > 0; count--) bytes = mutateOnce(bytes, next);
  return bytes;
}

const INTERESTING = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x1b, 0x5b, 0x9b, 0xbb, 0xd8, 0xf6, 0xf7, 0xf9, 0xfb, 0x9f,
];

function mutateOnce(bytes: Uint8Array<ArrayBuffer>, next: () => number): Uint8Array<ArrayBuffer> {
  const at = next() % (bytes.length + 1);
  switch (next() % 4) {
    case 0:
      return flip(bytes, at, 1 << (next() % 8));
    case 1:
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + (next() % 8))]);
    case 2:
      return Uint8Array.from([
        ...bytes.subarray(0, at),
        ...noise(1 + (next() % 8), next),
        ...bytes.subarray(at),
      ]);
    default:
      return flip(bytes, at, (bytes[at] ?? 0) ^ INTERESTING[next() % INTERESTING.length]!);
  }
}

function flip(bytes: Uint8Array<ArrayBuffer>, at: number, mask: number): Uint8Array<ArrayBuffer> {
  if (at < bytes.length) bytes[at]! ^= mask;
  return bytes;
}

function noise(length: number, next: () => number): Uint8Array {
  return Uint8Array.from({ length }, () => next() & 0xff);
}
