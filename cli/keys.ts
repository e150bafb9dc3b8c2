// `store keys`: the keys of this home, which own what it puts and sign for its accounts. The actions are in
// keys-actions.ts.

import { parseText } from './args.ts';
import type { CommandSpec } from './command.ts';
import { StoreError } from '../src/base/errors.ts';

const ACTIONS = ['list', 'create', 'export', 'import', 'default', 'passphrase', 'remove'] as const;
export type KeyAction = (typeof ACTIONS)[number];

export interface KeyFlags {
  readonly passphrase?: boolean;
  readonly default?: boolean;
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
  readonly phraseFile?: string;
  readonly yes?: boolean;
}

export const keys: CommandSpec = {
  name: 'keys',
  summary: 'list, make, back up and protect the keys of this home',
  operands: '[action] [name]',
  options: [
    {
      flags: '--no-passphrase',
      help: 'keep the key unprotected: who reads its file has it',
      parse: parseProtection,
    },
    { flags: '--default', help: 'make it the key that signs where none is named' },
    {
      flags: '--passphrase-file <file>',
      help: 'take the passphrase from this private file instead of asking',
      parse: parseText,
    },
    {
      flags: '--new-passphrase-file <file>',
      help: 'the same for the new one when it is changed',
      parse: parseText,
    },
    {
      flags: '--phrase-file <file>',
      help: 'import from this file instead of standard input',
      parse: parseText,
    },
    { flags: '--yes', help: 'remove without a way back' },
  ],
  completes: ACTIONS,
  details: `Actions:
  list              the keys and which one is the default (also without action)
  create NAME       make a key, protected by a passphrase that is asked for
  export NAME       print its recovery phrase: 24 words that are the key
  import NAME       make a key of a recovery phrase
  default NAME      choose the key that signs where none is named
  passphrase NAME   change the passphrase, or take it away (--no-passphrase)
  remove NAME       remove the key; needs --yes

HOLDFAST_KEY names the key that put and rm use instead of the default one.
A passphrase is never an argument; docs/keys.md has files, forms and threats.`,
  async run(context, [action = 'list', name], flags) {
    const { runKeyAction } = await import('./keys-actions.ts');
    const known = ACTIONS.find((each) => each === action);
    if (known === undefined) {
      throw new StoreError('INVALID_ARGUMENT', `keys has no action "${action}"`, {
        next: `Give one of ${ACTIONS.join(', ')}.`,
      });
    }
    if (known === 'list' && name !== undefined) {
      throw new StoreError('INVALID_ARGUMENT', `too many arguments for "keys ${known}"`);
    }
    if (known !== 'list' && name === undefined) {
      throw new StoreError('INVALID_ARGUMENT', `keys ${known} needs the name of a key`, {
        next: `store keys ${known} NAME`,
      });
    }
    return runKeyAction(known, context, name ?? '', flags as KeyFlags);
  },
};

/** HOLDFAST_PASSPHRASE is where somebody would put a passphrase: then the refusal must not repeat it. */
function parseProtection(text: string, where: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new StoreError('INVALID_ARGUMENT', `${where} is neither true nor false`, {
    next: 'A passphrase does not go there: write it into a private file and name it in HOLDFAST_PASSPHRASE_FILE.',
  });
}
