// Where a passphrase comes from when nobody is there to type it: a file that only its owner may read. It never comes
// from arguments, which every user of a machine sees, nor from the environment, which every child inherits.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { StoreError, toStoreError } from '../../base/errors.ts';
import { PASSPHRASE_LENGTH_MAX } from '../../base/limits.ts';
import { systemCode } from '../../runtime/files.ts';

/**
 * The passphrase in the file that HOLDFAST_PASSPHRASE_FILE names. Throws UNAUTHORIZED with the next step when it
 * names none, and what `readPassphraseFile` throws.
 */
export async function environmentPassphrase(name: string): Promise<string> {
  const path = process.env['HOLDFAST_PASSPHRASE_FILE'];
  if (path) return readPassphraseFile(path);
  throw missingPassphrase(name, 'passphrase-file');
}

/** For a key whose passphrase nobody can be asked for; `option` would name its file. */
export function missingPassphrase(name: string, option: string): StoreError {
  const variable = `HOLDFAST_${option.replaceAll('-', '_').toUpperCase()}`;
  return new StoreError(
    'UNAUTHORIZED',
    `the key ${name} needs a passphrase, and there is no terminal to ask`,
    {
      next: `Write the passphrase into a file of mode 0600 and name it in ${variable}.`,
    },
  );
}

/**
 * The first line of a file, which must be private. Throws NOT_FOUND, INVALID_IDENTITY when others may read it,
 * INVALID_ARGUMENT when it does not hold one line, DISK.
 */
export async function readPassphraseFile(path: string): Promise<string> {
  const { text, mode } = await readSecretFile(path, PASSPHRASE_LENGTH_MAX + 2, 'passphrase file');
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new StoreError(
      'INVALID_IDENTITY',
      `passphrase file ${path} can be read or written by other users`,
      {
        next: `Run "chmod 600 ${path}"; if others may have read it, change the passphrase.`,
      },
    );
  }
  const line = text.replace(/\r?\n$/, '');
  if (line !== '' && !/[\r\n]/.test(line)) return line;
  throw new StoreError('INVALID_ARGUMENT', `passphrase file ${path} does not hold one line of text`, {
    next: 'Write the passphrase into it, and nothing else.',
  });
}

export interface SecretFile {
  readonly text: string;
  /** Permission bits. */
  readonly mode: number;
}

/** A regular file of at most `lengthMax` bytes of UTF-8. Throws NOT_FOUND, INVALID_ARGUMENT, DISK; `what` names it. */
export async function readSecretFile(path: string, lengthMax: number, what: string): Promise<SecretFile> {
  // A pipe without a writer would keep us waiting.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') {
      throw new StoreError('NOT_FOUND', `there is no ${what} ${path}`, { next: 'Check the path.' });
    }
    throw toStoreError(error, 'DISK', `cannot read ${what} ${path}`);
  });
  const bytes = new Uint8Array(lengthMax + 1);
  try {
    const status = await file.stat();
    if (!status.isFile()) throw unfit(what, path, 'is not a regular file');
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead > lengthMax) throw unfit(what, path, `has more than ${lengthMax} bytes`);
    return { text: decodeUtf8(bytes.subarray(0, bytesRead), what, path), mode: status.mode & 0o777 };
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot read ${what} ${path}`);
  } finally {
    bytes.fill(0);
    await file.close();
  }
}

function decodeUtf8(bytes: Uint8Array, what: string, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unfit(what, path, 'is not UTF-8 text');
  }
}

function unfit(what: string, path: string, reason: string): StoreError {
  return new StoreError('INVALID_ARGUMENT', `${what} ${path} ${reason}`, {
    next: 'Give a text file that holds it, and nothing else.',
  });
}
