// What `store keys` does. The phrase of an export is the one secret that is ever printed, and it goes to standard
// output alone.

import { text as readText } from 'node:stream/consumers';
import { StoreError } from '../src/base/errors.ts';
import { PHRASE_LENGTH_MAX } from '../src/base/limits.ts';
import {
  changePassphrase,
  chooseDefault,
  createKey,
  exportPhrase,
  type KeyEntry,
  listKeys,
  refuseTaken,
  removeKey,
} from '../src/client/keys/keys.ts';
import { readSecretFile } from '../src/client/keys/passphrase.ts';
import { askSecret, openTerminal } from './ask.ts';
import type { Context } from './command.ts';
import { describe, EXIT } from './errors.ts';
import { shortId, table } from './format.ts';
import type { KeyAction, KeyFlags } from './keys.ts';
import { askNewPassphrase, askPassphrase } from './passphrase.ts';

type Act = (context: Context, name: string, flags: KeyFlags) => Promise<number | undefined>;

/** Runs one action of the command on the key `name`, '' for the list. Resolves to the exit code; nothing is 0. */
export function runKeyAction(
  action: KeyAction,
  context: Context,
  name: string,
  flags: KeyFlags,
): Promise<number | undefined> {
  return ACTS[action](context, name, flags);
}

const ACTS: Readonly<Record<KeyAction, Act>> = {
  list,
  create,
  export: exportKey,
  import: importKey,
  default: setDefault,
  passphrase: setPassphrase,
  remove,
};

async function list({ output, home }: Context): Promise<number | undefined> {
  const entries = await listKeys(home);
  const damaged = entries.filter(({ error }) => error !== undefined);
  const rows = entries.map((entry) => [
    entry.name,
    entry.publicKey ?? '?',
    protectionOf(entry),
    entry.createdAtMs === undefined ? '?' : dateOf(entry.createdAtMs).slice(0, 10),
    entry.isDefault ? 'default' : '',
  ]);
  for (const { error } of damaged) output.warn(error!.message);
  output.result(
    entries.length === 0 ? undefined : table(['NAME', 'ACCOUNT', 'PROTECTION', 'CREATED', ''], rows),
    { home, default: entries.find(({ isDefault }) => isDefault)?.name ?? null, keys: entries.map(keyJson) },
  );
  if (entries.length === 0) output.note(`${home} has no keys yet; the first put makes one`);
  return damaged.length > 0 ? EXIT.PARTIAL : undefined;
}

async function create(context: Context, name: string, flags: KeyFlags): Promise<undefined> {
  await refuseTaken(context.home, name);
  const passphrase = await newPassphrase(context, name, flags);
  told(context, await createKey(context.home, { name, passphrase, isDefault: flags.default === true }));
  context.output.note(`write down its recovery phrase: store keys export ${name}`);
}

async function importKey(context: Context, name: string, flags: KeyFlags): Promise<undefined> {
  const { seedOfPhrase } = await import('../src/client/keys/phrase.ts');
  await refuseTaken(context.home, name);
  const seed = seedOfPhrase(await readPhrase(context, flags.phraseFile));
  const passphrase = await newPassphrase(context, name, flags);
  told(context, await createKey(context.home, { name, passphrase, isDefault: flags.default === true, seed }));
}

async function exportKey(context: Context, name: string, flags: KeyFlags): Promise<undefined> {
  const phrase = await exportPhrase(context.home, name, (key) =>
    askPassphrase(context, key, flags.passphraseFile),
  );
  context.output.warn('whoever reads these words has the key: keep them on paper, apart from this machine');
  context.output.result(phrase, { name, phrase });
}

async function setDefault(context: Context, name: string): Promise<undefined> {
  told(context, await chooseDefault(context.home, name));
}

async function setPassphrase(context: Context, name: string, flags: KeyFlags): Promise<undefined> {
  const entry = await changePassphrase(
    context.home,
    name,
    (key) => askPassphrase(context, key, flags.passphraseFile),
    async () =>
      flags.passphrase === false
        ? undefined
        : askNewPassphrase(context, name, 'new-passphrase-file', flags.newPassphraseFile),
  );
  told(context, entry);
}

async function remove({ output, home }: Context, name: string, flags: KeyFlags): Promise<undefined> {
  if (flags.yes !== true) {
    throw new StoreError('INVALID_ARGUMENT', `removing the key ${name} cannot be undone`, {
      next: `Keep its recovery phrase (store keys export ${name}), then run: store keys remove ${name} --yes`,
    });
  }
  const entry = await removeKey(home, name);
  output.result(undefined, keyJson(entry));
  output.note(
    `removed the key ${name}${entry.publicKey === undefined ? '' : ` (${shortId(entry.publicKey)})`}`,
  );
  if (entry.isDefault) output.warn('it was the default: choose another one with "store keys default NAME"');
}

/** For a new key; undefined where it shall have none. */
async function newPassphrase(context: Context, name: string, flags: KeyFlags): Promise<string | undefined> {
  if (flags.passphrase === false) return undefined;
  return askNewPassphrase(context, name, 'passphrase-file', flags.passphraseFile);
}

/** From a file, typed unseen at a terminal, or from standard input. */
async function readPhrase({ output, signal }: Context, file: string | undefined): Promise<string> {
  if (file !== undefined) {
    const { text, mode } = await readSecretFile(file, PHRASE_LENGTH_MAX, 'phrase file');
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      output.warn(`other users may have read ${file}, which is the key`);
    }
    return text;
  }
  const terminal = process.stdin.isTTY ? openTerminal() : undefined;
  if (terminal === undefined) return readInput();
  try {
    return await askSecret(terminal, 'Recovery phrase, 24 words: ', PHRASE_LENGTH_MAX, signal);
  } finally {
    terminal.close();
  }
}

async function readInput(): Promise<string> {
  return readText(limited(process.stdin));
}

/** Stops reading somewhat above what a phrase may have. */
async function* limited(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of input) {
    yield chunk;
    length += chunk.length;
    if (length > PHRASE_LENGTH_MAX) return;
  }
}

/** Says what a key is like now. Its account goes to standard output. */
function told({ output }: Context, entry: KeyEntry): void {
  output.result(entry.publicKey, keyJson(entry));
  const protection = entry.isProtected ? 'protected by a passphrase' : 'unprotected';
  output.note(`key ${entry.name}, ${protection}${entry.isDefault ? ', the default' : ''}: ${entry.path}`);
  if (!entry.isProtected) output.warn(`the key ${entry.name} is not protected: who reads its file has it`);
}

function protectionOf({ isProtected, error }: KeyEntry): string {
  if (error !== undefined) return 'unreadable';
  return isProtected ? 'passphrase' : 'none';
}

function keyJson(entry: KeyEntry): Record<string, unknown> {
  const { name, publicKey, isProtected, isDefault, createdAtMs, path, error } = entry;
  return {
    name,
    publicKey: publicKey ?? null,
    isProtected,
    isDefault,
    createdAt: createdAtMs === undefined ? null : dateOf(createdAtMs),
    file: path ?? null,
    ...(error === undefined ? {} : { error: describe(error) }),
  };
}

const dateOf = (timeMs: number): string => new Date(timeMs).toISOString();
