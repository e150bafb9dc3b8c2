// A key as 24 words to write on paper: BIP-39 with the English list. The words are the 32 bytes of the key's ed25519
// seed and a checksum of eight bits, nothing is derived from them: any tool that turns such words into "entropy"
// gives the seed.

import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { StoreError } from '../../base/errors.ts';
import { PHRASE_LENGTH_MAX } from '../../base/limits.ts';

const WORDS = 24;
/** No two words of the list begin with the same four letters. */
const UNIQUE_LETTERS = 4;
const SHOWN_LENGTH_MAX = 16;

/** The recovery phrase of a 32-byte seed. */
export function phraseOfSeed(seed: Uint8Array): string {
  return entropyToMnemonic(seed, wordlist);
}

/**
 * The seed that a phrase stands for; the caller wipes it. Case and white space do not matter. Throws INVALID_ARGUMENT
 * that names the word which is not in the list, or says that the words do not fit together.
 */
export function seedOfPhrase(text: string): Uint8Array {
  if (text.length > PHRASE_LENGTH_MAX) throw wrong(`it has more than ${PHRASE_LENGTH_MAX} characters`);
  const words = text.normalize('NFKD').toLowerCase().split(/\s+/).filter(Boolean);
  const at = words.findIndex((word) => !wordlist.includes(word));
  if (at >= 0 && words.length <= WORDS) throw wrongWord(words[at]!, at + 1);
  if (words.length !== WORDS) throw wrong(`it has ${words.length} words instead of ${WORDS}`);
  try {
    return mnemonicToEntropy(words.join(' '), wordlist);
  } catch {
    throw wrong('its checksum does not match: a word is another one of the list, or words changed places');
  }
}

function wrongWord(word: string, place: number): StoreError {
  const start = word.slice(0, UNIQUE_LETTERS);
  const meant = word.length < UNIQUE_LETTERS ? undefined : wordlist.find((each) => each.startsWith(start));
  const shown = word.length <= SHOWN_LENGTH_MAX ? word : `${word.slice(0, SHOWN_LENGTH_MAX)}…`;
  return wrong(
    `word ${place}, "${shown}", is not in the list`,
    meant === undefined ? undefined : `Is word ${place} "${meant}"?`,
  );
}

function wrong(reason: string, next?: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `this is not a recovery phrase: ${reason}`, {
    next: next ?? `Give the ${WORDS} words that "store keys export" printed, in their order.`,
  });
}
