import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { decodeKeyFile, encodeKeyFile, type SealedKeyFile } from '../../../src/client/keys/key-file.ts';
import { openSeal, sealSeed } from '../../../src/client/keys/seal.ts';
import { nativeSigner } from '../../../src/runtime/crypto.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

const COST_LOG2 = 10;
const seed = Uint8Array.from({ length: 32 }, (_, index) => index);
const header = { name: 'alice', publicKey: nativeSigner(seed).publicKey, createdAtMs: 1_700_000_000_000 };
const seal = (passphrase: string): Promise<SealedKeyFile> => sealSeed(header, seed, passphrase, COST_LOG2);

test('a seal opens with its passphrase and with no other', async () => {
  const file = await seal('correct horse');
  expect(toHex(await openSeal(file, 'correct horse'))).toBe(toHex(seed));
  for (const wrong of ['', 'correct horse ', 'Correct horse', 'correct hors', 'correct horses']) {
    const error = await expectCodeAsync('WRONG_KEY', openSeal(file, wrong));
    expect(error.message).toBe('the passphrase does not open the key alice');
  }
});

test('two seals of one seed under one passphrase have nothing in common', async () => {
  const [first, second] = await Promise.all([seal('correct horse'), seal('correct horse')]);
  expect(toHex(first.seal.salt)).not.toBe(toHex(second.seal.salt));
  expect(toHex(first.seal.nonce)).not.toBe(toHex(second.seal.nonce));
  expect(toHex(first.ciphertext)).not.toBe(toHex(second.ciphertext));
});

test('a passphrase is the same however a keyboard composes its letters', async () => {
  const file = await seal('pa\u0301ssword \ufb01ne');
  expect(toHex(await openSeal(file, 'p\u00e1ssword fine'))).toBe(toHex(seed));
});

test('whatever somebody changes in a file, and corrects the checksum of, no longer opens', async () => {
  const file = await seal('correct horse');
  const other = nativeSigner(new Uint8Array(32)).publicKey;
  const spoilt = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes[at]! ^ 1);
  const changes: Partial<SealedKeyFile>[] = [
    { name: 'bob' },
    { publicKey: other },
    { createdAtMs: 0 },
    { seal: { ...file.seal, costLog2: COST_LOG2 + 1 } },
    { seal: { ...file.seal, salt: spoilt(file.seal.salt, 5) } },
    { seal: { ...file.seal, nonce: spoilt(file.seal.nonce, 0) } },
    ...Array.from(file.ciphertext.keys(), (at) => ({ ciphertext: spoilt(file.ciphertext, at) })),
  ];
  for (const change of changes) {
    const changed = { ...file, ...change };
    const read = decodeKeyFile(encodeKeyFile(changed), changed.name, 'file') as SealedKeyFile;
    await expectCodeAsync('WRONG_KEY', openSeal(read, 'correct horse'));
  }
});

test('a passphrase that is too long is refused before any work', async () => {
  await expectCodeAsync('INVALID_ARGUMENT', seal('x'.repeat(1025)));
  await expectCodeAsync('INVALID_ARGUMENT', openSeal(await seal('x'.repeat(1024)), 'x'.repeat(1025)));
});
