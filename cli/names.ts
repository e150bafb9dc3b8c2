// What the commands on names share: which words of a command line are names and which are local files, conditions, and the key. Every
// word that begins with `store:` is a URI, and nothing else is; a local file of such a name is `./store:...`.

import { basename } from 'node:path';
import type { NameCondition, NameListing, NameStat, NameWrite } from '../src/client/name-types.ts';
import { type OptionSpec, type Parse, parseText, refuse } from './args.ts';
import { CLIENT_OPTIONS } from './command.ts';
import { StoreError } from '../src/base/errors.ts';
import type { Context } from './command.ts';

// ---- Options -------------------------------------------------------------------------------------------------

/** Of commands that act on what belongs to a key. */
export const KEY_OPTIONS: readonly OptionSpec[] = [
  { flags: '--key <name>', help: 'the key whose names they are (default: store keys)', parse: parseText },
  ...CLIENT_OPTIONS,
];

/** Which of them are given is checked by `conditionIn`. */
export const IF_MATCH: OptionSpec = {
  flags: '--if-match <etag>',
  help: 'only if the name has this etag; "*": if it is there',
  parse: parseEtag('*'),
};
export const IF_NONE_MATCH: OptionSpec = {
  flags: '--if-none-match <etag>',
  help: 'only with "*": if the name is not there yet',
  parse: (text, where) => {
    if (text !== '*') throw refuse(where, text, '"*"');
    return text;
  },
};

function parseEtag(any: string): Parse {
  return (text, where) => {
    if (text !== any && !/^"?[0-9a-f]{32}"?$/.test(text)) {
      throw refuse(where, text, 'an etag of 32 hex digits, or "*"');
    }
    return text;
  };
}

export interface ConditionFlags {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: '*';
}

/** Throws INVALID_ARGUMENT when both are given. */
export function conditionIn({ ifMatch, ifNoneMatch }: ConditionFlags): NameCondition | undefined {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', '--if-match and --if-none-match exclude one another', {
      next: 'Give one of them.',
    });
  }
  if (ifMatch !== undefined) return { ifMatch };
  return ifNoneMatch === undefined ? undefined : { ifNoneMatch };
}

// ---- Words ---------------------------------------------------------------------------------------------------

/** Whether a word of the command line means something in the store. Throws INVALID_URI for one that is nearly a URI. */
export function isRemote(word: string): boolean {
  if (word.startsWith('store://')) return true;
  if (!/^store:/i.test(word)) return false;
  throw new StoreError('INVALID_URI', `"${word}" is no URI: it begins with store:// in small letters`, {
    next: `Write store://bucket/key; if a local file is called so, write ./${word}.`,
  });
}

/** Checks a URI of an object or a name before the network is touched. Throws INVALID_URI. */
export async function checkUri(uri: string): Promise<{ readonly isName: boolean }> {
  const { isNameUri, parseNameUri } = await import('../src/client/names/path.ts');
  const { splitUri } = await import('../src/client/uri.ts');
  const isName = isRemote(uri) && isNameUri(uri);
  if (isName) parseNameUri(uri);
  else splitUri(uri);
  return { isName };
}

/** Throws INVALID_URI unless it is the name of an object. */
export async function checkName(uri: string): Promise<void> {
  const { isNameUri, parseNameUri } = await import('../src/client/names/path.ts');
  if (isRemote(uri) && !isNameUri(uri)) {
    throw new StoreError('INVALID_URI', 'that is the URI of an object, and a name is wanted', {
      next: 'Give a name: store://bucket/key.',
    });
  }
  parseNameUri(uri);
}

/** Like a folder's, the name of a bucket or one that ends in "/" takes the last part of `path`. */
export async function nameFor(uri: string, path: string): Promise<string> {
  const { formatNameUri, parsePrefixUri } = await import('../src/client/names/path.ts');
  if (!isRemote(uri)) throw notAName(uri);
  const { bucket, prefix } = parsePrefixUri(uri);
  const isFolder = prefix === '' || prefix.endsWith('/');
  if (isFolder && path === '-') {
    throw new StoreError('INVALID_ARGUMENT', 'standard input has no name of its own', {
      next: `Give the whole name: store://${bucket}/${prefix}KEY.`,
    });
  }
  const name = formatNameUri({ bucket, key: isFolder ? `${prefix}${basename(path)}` : prefix });
  await checkName(name);
  return name;
}

function notAName(text: string): StoreError {
  return new StoreError('INVALID_URI', `"${text}" is no name in the store`, {
    next: 'Write store://bucket/key.',
  });
}

// ---- What is shown -------------------------------------------------------------------------------------------

export function nameJson(name: NameStat): Readonly<Record<string, unknown>> {
  const { uri, etag, sizeBytes, cid, isEncrypted, writtenAtHeight } = name;
  return { uri, etag, size: sizeBytes, cid, isEncrypted, writtenAtHeight };
}

export function listingJson(listings: readonly NameListing[]): Readonly<Record<string, unknown>> {
  const last = listings.at(-1)!;
  return {
    names: listings.flatMap(({ names }) => names.map(nameJson)),
    prefixes: listings.flatMap(({ prefixes }) => prefixes),
    token: last.token ?? null,
    unreadable: listings.reduce((sum, { unreadable }) => sum + unreadable, 0),
    height: last.height,
  };
}

/** Says what a write did, and waits until the object that was there before has been dealt with. */
export async function settleWrite(
  { output }: Context,
  write: NameWrite,
): Promise<Readonly<Record<string, unknown>>> {
  const { uri, etag, height, isOvertaken } = write;
  if (isOvertaken) output.warn(`${uri} has been written again by another program since`);
  const released = await write.released;
  if (released === 'failed') output.warn('the object that the name stood for before could not be removed');
  return { uri, etag, height, isOvertaken, released: released ?? null };
}
