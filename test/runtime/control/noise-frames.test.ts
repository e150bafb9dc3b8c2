import { expect, test } from 'vitest';
import { Uint8ArrayList } from 'uint8arraylist';
import { wholeFrames } from '../../../src/runtime/control/noise-frames.ts';

type Create = Parameters<typeof wholeFrames>[0];

/** What Noise makes of a connection, as far as it is touched. */
function secured(connection: object): Promise<{ readonly connection: object }> {
  const create = (() => ({
    secureInbound: async () => ({ connection }),
    secureOutbound: async () => ({ connection }),
  })) as unknown as Create;
  const encrypter = wholeFrames(create)({}) as unknown as {
    secureInbound(): Promise<{ readonly connection: object }>;
  };
  return encrypter.secureInbound();
}

test('a frame of several parts is one', async () => {
  const connection = {
    encrypt: (chunk: Uint8Array) => new Uint8ArrayList(new Uint8Array([0, chunk.length]), chunk),
  };
  await secured(connection);
  expect(connection.encrypt(new Uint8Array([7, 8]))).toEqual(new Uint8Array([0, 2, 7, 8]));
});

test('a length that is not there yet is longer than what is there, and so is waited for', async () => {
  const decoder = { lengthDecoder: (data: Uint8ArrayList) => data.getUint16(0) };
  await secured({ decoder });
  const read = (...bytes: number[]): number =>
    decoder.lengthDecoder(new Uint8ArrayList(new Uint8Array(bytes)));
  expect(read(1, 2)).toBe(258);
  expect(read(1)).toBe(65_535);
  expect(read()).toBe(65_535);
});

test('a connection of another make stays as it is', async () => {
  const connection = { send: () => true };
  expect((await secured(connection)).connection).toEqual(connection);
});
