import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex, toUtf8 } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { decodeKeyFile, encodeKeyFile, type KeyFile } from '../../../src/client/keys/key-file.ts';
import { openSeal, sealWith } from '../../../src/client/keys/seal.ts';
import { nativeSigner } from '../../../src/runtime/crypto.ts';
import { expectCode } from '../../helpers/expect-code.ts';

interface Vectors {
  readonly seed: string;
  readonly passphrase: string;
  readonly createdAtMs: number;
  readonly salt: string;
  readonly nonce: string;
  readonly plain: string;
  readonly sealed: string;
}

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/key-files.json', import.meta.url), 'utf8'),
) as Vectors;
const seed = fromHex(vectors.seed);
const header = { name: 'alice', publicKey: nativeSigner(seed).publicKey, createdAtMs: vectors.createdAtMs };
const text = (file: KeyFile): string => new TextDecoder().decode(encodeKeyFile(file));
const decode = (content: string): KeyFile => decodeKeyFile(toUtf8(content), 'alice', 'alice.json');

describe('frozen', () => {
  test('an unprotected key file', () => {
    expect(text({ ...header, seed })).toBe(vectors.plain);
    expect(decode(vectors.plain)).toEqual({ ...header, seed });
  });

  test('a protected key file, which opens to its seed', async () => {
    const seal = { costLog2: 10, salt: fromHex(vectors.salt), nonce: fromHex(vectors.nonce) };
    expect(text(await sealWith(header, seal, seed, vectors.passphrase))).toBe(vectors.sealed);
    const file = decode(vectors.sealed);
    expect('seal' in file && toHex(await openSeal(file, vectors.passphrase))).toBe(vectors.seed);
    expect(vectors.sealed).not.toContain(vectors.seed);
  });
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error);
  }
}

function laterVersion(content: string): string | undefined {
  try {
    const { kind, version } = JSON.parse(content) as Record<string, unknown>;
    return kind === 'holdfast-key' && Number(version) > 1 ? 'UNSUPPORTED' : undefined;
  } catch {
    return undefined;
  }
}

describe.each([
  ['unprotected', vectors.plain],
  ['protected', vectors.sealed],
])('a damaged %s file', (_, whole) => {
  test('is refused wherever any character became another one, unless only white space did', () => {
    for (let at = 0; at < whole.length; at++) {
      for (const character of '0159abfXZ"{}:, ') {
        const changed = whole.slice(0, at) + character + whole.slice(at + 1);
        if (changed.replace(/\s/g, '') === whole.replace(/\s/g, '')) continue;
        expect(
          codeOf(() => decode(changed)),
          changed,
        ).toBe(laterVersion(changed) ?? 'INVALID_IDENTITY');
      }
    }
  });

  test('is INVALID_IDENTITY when it was cut off, and says nothing of its contents', () => {
    for (let length = 0; length < whole.length - 2; length += 7) {
      const error = expectCode('INVALID_IDENTITY', () => decode(whole.slice(0, length)));
      expect(error.message).toMatch(/^key file alice\.json is damaged: /);
      expect(`${error.message}${error.next}`).not.toMatch(/[0-9a-f]{16}/);
      expect(error.cause).toBeUndefined();
    }
  });
});

describe('a hostile file', () => {
  const sealed = JSON.parse(vectors.sealed) as Record<string, Record<string, unknown>>;
  const withKdf = (change: Record<string, unknown>): string =>
    JSON.stringify({ ...sealed, kdf: { ...sealed['kdf'], ...change } });

  test.each([
    ['more memory than a key may take', { n: 2 ** 19 }],
    ['memory without end', { n: 2 ** 52 }],
    ['blocks of another size', { r: 1024 }],
    ['work without end', { p: 2 ** 30 }],
    ['almost no work', { n: 2 }],
    ['no power of two', { n: 100_000 }],
    ['a fraction', { n: 1024.5 }],
    ['a negative cost', { n: -1024 }],
    ['a short salt', { salt: '00' }],
    ['a member that nobody knows', { extra: 1 }],
  ])('that asks for %s is refused before any work', (_, change) => {
    expectCode('INVALID_IDENTITY', () => decode(withKdf(change)));
  });

  test.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"holdfast-key"'],
    ['both a seed and a seal', JSON.stringify({ ...sealed, seed: vectors.seed })],
    ['deep nesting', '['.repeat(4000)],
    ['five thousand blanks', ' '.repeat(5000)],
    ['a foreign kind', JSON.stringify({ ...sealed, kind: 'other' })],
  ])('that holds %s is refused', (_, content) => {
    expectCode('INVALID_IDENTITY', () => decode(content));
  });

  test('of a later version is UNSUPPORTED', () => {
    expectCode('UNSUPPORTED', () => decode(JSON.stringify({ ...sealed, version: 2 })));
  });

  test('with bytes that are no text is refused', () => {
    expectCode('INVALID_IDENTITY', () =>
      decodeKeyFile(Uint8Array.of(0x7b, 0xff, 0x7d), 'alice', 'alice.json'),
    );
  });
});

test('a key file under the name of another key is refused, and the right name told', () => {
  const error = expectCode('INVALID_IDENTITY', () =>
    decodeKeyFile(toUtf8(vectors.sealed), 'bob', 'bob.json'),
  );
  expect(error.message).toBe('key file bob.json holds the key alice');
  expect(error.next).toContain('alice.json');
});
