// The passphrase of a key for a command: from a file that an option or its variable names, else typed at the
// terminal. Without either the command fails with the next step.

import { StoreError } from '../src/base/errors.ts';
import { PASSPHRASE_LENGTH_MAX } from '../src/base/limits.ts';
import { checkNewPassphrase } from '../src/client/keys/keys.ts';
import { missingPassphrase, readPassphraseFile } from '../src/client/keys/passphrase.ts';
import { askSecret, openTerminal } from './ask.ts';
import type { Context } from './command.ts';

type Asking = Pick<Context, 'output' | 'signal'>;

/** The passphrase of an existing key. Throws UNAUTHORIZED where there is no file and no terminal, and as reading the file. */
export async function askPassphrase(context: Asking, name: string, file?: string): Promise<string> {
  if (file !== undefined) return readPassphraseFile(file);
  return atTerminal(context, name, 'passphrase-file', (ask) => ask(`Passphrase of the key ${name}: `));
}

/**
 * A new passphrase, typed twice, or from `file`, which `option` names. Throws INVALID_ARGUMENT when it is too short
 * or the two differ, and as `askPassphrase`.
 */
export async function askNewPassphrase(
  context: Asking,
  name: string,
  option: string,
  file?: string,
): Promise<string> {
  if (file !== undefined) return checkNewPassphrase(await readPassphraseFile(file));
  return atTerminal(context, name, option, async (ask) => {
    const first = checkNewPassphrase(await ask(`New passphrase of the key ${name}: `));
    if ((await ask('The same again: ')) === first) return first;
    throw new StoreError('INVALID_ARGUMENT', 'the two passphrases differ', {
      next: 'Run the command again.',
    });
  });
}

async function atTerminal(
  { output, signal }: Asking,
  name: string,
  option: string,
  use: (ask: (question: string) => Promise<string>) => Promise<string>,
): Promise<string> {
  const terminal = openTerminal();
  if (terminal === undefined) throw missingPassphrase(name, option);
  output.live('');
  try {
    return await use((question) => askSecret(terminal, question, PASSPHRASE_LENGTH_MAX, signal));
  } finally {
    terminal.close();
  }
}
