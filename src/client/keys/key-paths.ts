// Where a home keeps its keys, and what a key may be called. The key that the first put makes lies beside the folder,
// in `owner.key`, and is called `default`.

import { join } from 'node:path';
import { StoreError } from '../../base/errors.ts';
import { LABEL_LENGTH_MAX } from '../../base/limits.ts';

/** The name of the key in `owner.key`; and of the key that signs where nobody chose another. */
export const DEFAULT_KEY_NAME = 'default';

const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const FILE_NAME_ENDING = '.json';

export const keyFolder = (home: string): string => join(home, 'keys');
export const keyPath = (home: string, name: string): string =>
  join(keyFolder(home), `${name}${FILE_NAME_ENDING}`);
export const ownerKeyPath = (home: string): string => join(home, 'owner.key');
/** Holds the name of the key that signs where nothing else is said. No key file has this name: they end in .json. */
export const defaultNamePath = (home: string): string => join(keyFolder(home), 'default');

export function isKeyName(text: string): boolean {
  return text.length <= LABEL_LENGTH_MAX && NAME.test(text);
}

/** Throws INVALID_ARGUMENT for what cannot be the name of a key. */
export function checkKeyName(text: string): string {
  if (isKeyName(text)) return text;
  throw new StoreError('INVALID_ARGUMENT', `"${text.slice(0, LABEL_LENGTH_MAX)}" is not a name for a key`, {
    next: `Give a name of at most ${LABEL_LENGTH_MAX} of a-z, 0-9, dot, underscore and hyphen.`,
  });
}

/** The key that a file in the folder holds by its name; undefined for temporary and foreign files. */
export function keyNameOf(fileName: string): string | undefined {
  if (!fileName.endsWith(FILE_NAME_ENDING)) return undefined;
  const name = fileName.slice(0, -FILE_NAME_ENDING.length);
  return isKeyName(name) ? name : undefined;
}
