import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { phraseOfSeed, seedOfPhrase } from '../../../src/client/keys/phrase.ts';
import { expectCode } from '../../helpers/expect-code.ts';

const { vectors } = JSON.parse(
  readFileSync(new URL('../../vectors/bip39.json', import.meta.url), 'utf8'),
) as { vectors: { entropy: string; phrase: string }[] };

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** BIP-39 as it is written: 256 bits, the first eight of their SHA-256, words of eleven bits. */
function phraseByTheBook(seed: Uint8Array): string {
  const checksum = createHash('sha256').update(seed).digest()[0]!;
  const bits = [...seed, checksum].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits
    .match(/.{11}/g)!
    .map((word) => wordlist[Number.parseInt(word, 2)]!)
    .join(' ');
}

test.each(vectors)('the words of $entropy are those that BIP-39 gives, and back', ({ entropy, phrase }) => {
  expect(phraseOfSeed(fromHex(entropy))).toBe(phrase);
  expect(toHex(seedOfPhrase(phrase))).toBe(entropy);
});

test('every seed has the words that the document describes, and comes back from them', () => {
  fc.assert(
    fc.property(bytes, (seed) => {
      const phrase = phraseOfSeed(seed);
      expect(phrase).toBe(phraseByTheBook(seed));
      expect(toHex(seedOfPhrase(phrase))).toBe(toHex(seed));
    }),
    { numRuns: 50 },
  );
});

test('case and white space do not matter', () => {
  const { entropy, phrase } = vectors[5]!;
  const typed = `\n  ${phrase.toUpperCase().replaceAll(' ', ' \t\r\n ')}\n`;
  expect(toHex(seedOfPhrase(typed))).toBe(entropy);
});

test('a word that is not in the list is named with its place and what it may be', () => {
  const words = vectors[5]!.phrase.split(' ');
  const wrong = expectCode('INVALID_ARGUMENT', () => seedOfPhrase(words.with(2, 'uniqe').join(' ')));
  expect(wrong.message).toContain('word 3, "uniqe", is not in the list');
  expect(wrong.next).toBe('Is word 3 "unique"?');
  const other = expectCode('INVALID_ARGUMENT', () => seedOfPhrase(words.with(23, 'x'.repeat(100)).join(' ')));
  expect(other.message).toContain(`word 24, "${'x'.repeat(16)}…"`);
});

test('any two different words that change places, and any other last word but its like, are found', () => {
  const words = vectors[7]!.phrase.split(' ');
  const swapped = expectCode('INVALID_ARGUMENT', () =>
    seedOfPhrase(words.with(0, words[1]!).with(1, words[0]!).join(' ')),
  );
  expect(swapped.message).toContain('checksum');
  // Eight of the 2,048 last words carry a right checksum.
  const accepted = wordlist.filter((word) => {
    try {
      seedOfPhrase(words.with(23, word).join(' '));
      return true;
    } catch {
      return false;
    }
  });
  expect(accepted).toHaveLength(8);
});

test.each([
  ['nothing', '', '0 words'],
  ['twelve words', 'zoo '.repeat(11) + 'wrong', '12 words'],
  ['twenty-five words', 'zoo '.repeat(25), '25 words'],
  ['a book', 'zoo '.repeat(300), 'more than 1024 characters'],
])('%s is not a phrase', (_, text, reason) => {
  expect(expectCode('INVALID_ARGUMENT', () => seedOfPhrase(text)).message).toContain(reason);
});
