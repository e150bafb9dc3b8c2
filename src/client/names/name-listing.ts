// The names of a bucket that begin with a prefix, page after page, as S3's ListObjectsV2 shows them. All of it stands in proven state, so a
// listing leaves nothing out.
//
// One listing is of one state, unless it takes more than LISTING_WALK_PAGES pages of the directory to find what it asks for; the next one,
// with the token, is of a later state, as it is with S3: what is there all the time is listed once, what comes or goes meanwhile may be
// listed or not.

import { base64url } from 'multiformats/bases/base64';
import { compare, concat, equal } from '../../base/bytes.ts';
import { encode } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import { portableSha256 } from '../../base/hash.ts';
import { LISTING_NAMES_MAX, LISTING_WALK_PAGES, NAME_LENGTH_MAX } from '../../base/limits.ts';
import { bucketIdOf, directoryOf } from '../../shards/bucket.ts';
import { type CheckedListing, verifyListing } from '../../shards/directory/listing.ts';
import { decodePage } from '../../shards/directory/page.ts';
import { type Directory, range } from '../../shards/directory/tree.ts';
import { decodeEntry, type NameEntry } from '../../shards/name-entry.ts';
import type { Overlay } from '../../shards/view.ts';
import type { Moment, ReadOptions } from '../chain/types.ts';
import type { NamesContext } from './context.ts';
import { openBucket } from './directory-reader.ts';
import type { NameQuery } from './name-codec.ts';

export interface ListOptions extends ReadOptions {
  /** Only keys that begin so. Default: all. */
  readonly prefix?: string;
  /** Keys that have another '/' behind the prefix are shown as one common prefix. */
  readonly delimiter?: '/';
  /** Keys and common prefixes, at most 1000. */
  readonly maxKeys?: number;
  /** `next` of the listing before, with the same prefix and delimiter. */
  readonly continuationToken?: string;
}

export interface ListedName {
  readonly key: string;
  readonly entry: NameEntry;
}

export interface NameListing extends Moment {
  /** In the order of the directory: of UTF-8 bytes without encryption, of ciphertext within each folder with it. */
  readonly names: readonly ListedName[];
  readonly commonPrefixes: readonly string[];
  /** Undefined: there is no more. */
  readonly next: string | undefined;
  /** Names that were not encrypted with these keys; they count towards maxKeys. */
  readonly unreadable: number;
}

/** What a walk has found, and where it has got to. */
interface Walk {
  readonly names: readonly (readonly [name: Uint8Array, value: Uint8Array])[];
  readonly folders: readonly Uint8Array[];
  /** Undefined: there is nothing more. */
  readonly next: Uint8Array | undefined;
}

/** Names of the first look into the directory, a few pages of ordinary ones; each further look is twice as long. */
const NAMES_AT_FIRST = 64;

/** Throws NOT_FOUND without the bucket, INVALID_ARGUMENT, and what reading throws. */
export async function listNames(
  context: NamesContext,
  bucket: string,
  options: ListOptions = {},
): Promise<NameListing> {
  const { prefix = '', delimiter, maxKeys = LISTING_NAMES_MAX, continuationToken } = options;
  checkOptions(delimiter, maxKeys);
  const limit = Math.min(maxKeys, LISTING_NAMES_MAX);
  const binding = bindingOf(context, bucket, prefix, delimiter);
  let from = continuationToken === undefined ? undefined : openToken(continuationToken, binding);
  const names: ListedName[] = [];
  const commonPrefixes: string[] = [];
  let unreadable = 0;
  for (;;) {
    const room = limit - names.length - commonPrefixes.length - unreadable;
    const start = from;
    let walker: Walker | undefined;
    const { value, ...moment } = await context.chain.read((state, { height }) => {
      const open = openBucket(state, context, bucket);
      if (walker?.height !== height) {
        const query = open.codec.query(prefix);
        walker = createWalker(height, query, start ?? query.within, room, delimiter !== undefined);
      }
      const { query } = walker;
      return { walk: walker.walk(state, directoryOf(open.id, open.bucket)), codec: open.codec, query };
    }, options);
    const { walk, codec, query } = value;
    for (const [name, bytes] of walk.names) {
      const key = codec.decode(name);
      if (key === undefined) unreadable++;
      else names.push({ key, entry: decodeEntry(bytes) });
    }
    for (const folder of walk.folders) {
      const key = query.folderKey(folder);
      if (key === undefined) unreadable++;
      else commonPrefixes.push(key);
    }
    const isFull = names.length + commonPrefixes.length + unreadable === limit;
    if (isFull || walk.next === undefined) {
      const next = walk.next === undefined ? undefined : tokenOf(binding, walk.next);
      return { ...moment, names, commonPrefixes, next, unreadable };
    }
    from = walk.next;
  }
}

/**
 * Walks through the names of one state. What it has seen it keeps: a decision that is made again, because a page was not loaded, goes
 * on where the last one ended. With the state of another height one begins anew.
 */
interface Walker {
  readonly height: number;
  readonly query: NameQuery;
  /** Throws MissingRecords. */
  walk(state: Overlay, directory: Directory): Walk;
}

/**
 * At most `room` names and folders from `from` on, and where the next one stands. Whole folders are stepped over. Ends early after
 * LISTING_WALK_PAGES pages.
 */
function createWalker(
  height: number,
  query: NameQuery,
  from: Uint8Array,
  room: number,
  isFolded: boolean,
): Walker {
  const names: (readonly [Uint8Array, Uint8Array])[] = [];
  const folders: Uint8Array[] = [];
  let at = from;
  let pages = 0;
  let namesAtOnce = NAMES_AT_FIRST;
  const ends = (next: Uint8Array | undefined): Walk => ({ names, folders, next });

  /** Undefined: there is room, and there may be more. */
  const take = (entries: CheckedListing['entries']): Walk | undefined => {
    for (const [name, value] of entries) {
      if (compare(name, at) < 0) continue;
      if (!begins(name, query.within)) return ends(undefined);
      if (!query.matches(name)) continue;
      if (names.length + folders.length === room) return ends(name);
      const folder = isFolded ? query.folderOf(name) : undefined;
      if (folder === undefined) names.push([name, value]);
      else {
        folders.push(folder);
        at = behind(folder);
      }
    }
    return undefined;
  };
  const walk = (state: Overlay, directory: Directory): Walk => {
    while (pages < LISTING_WALK_PAGES) {
      const listing = range(state, directory, at, namesAtOnce);
      const shown = listing.pages.map((key) => decodePage(state.read(key)!));
      const { entries, next } = verifyListing(shown, at);
      const end = take(entries);
      if (end !== undefined) return end;
      if (next === undefined) return ends(undefined);
      if (compare(at, next) < 0) at = next;
      pages += shown.length;
      namesAtOnce = Math.min(2 * namesAtOnce, LISTING_NAMES_MAX);
    }
    return ends(at);
  };
  return { height, query, walk };
}

function begins(name: Uint8Array, prefix: Uint8Array): boolean {
  return name.length >= prefix.length && equal(name.subarray(0, prefix.length), prefix);
}

/** The first name behind all that begin with `prefix`, which has a byte that is not the highest: UTF-8 and marks of frames are not. */
function behind(prefix: Uint8Array): Uint8Array {
  let end = prefix.length;
  while (prefix[end - 1] === 0xff) end--;
  const border = prefix.slice(0, end);
  border[end - 1]! += 1;
  return border;
}

function checkOptions(delimiter: string | undefined, maxKeys: number): void {
  if (delimiter !== undefined && delimiter !== '/') {
    throw new StoreError('INVALID_ARGUMENT', `no listing by delimiter ${JSON.stringify(delimiter)}`, {
      next: 'Folders are separated by "/"; leave the delimiter out to list everything.',
    });
  }
  if (!Number.isSafeInteger(maxKeys) || maxKeys < 1) {
    throw new StoreError('INVALID_ARGUMENT', `a listing of ${maxKeys} keys is not possible`, {
      next: `Choose 1 to ${LISTING_NAMES_MAX}.`,
    });
  }
}

// ---- Continuation tokens -------------------------------------------------------------------------------------

const BINDING_LENGTH = 8;

/** A token goes on with the listing that gave it and with no other. */
function bindingOf(
  { chain, owner }: NamesContext,
  bucket: string,
  prefix: string,
  delimiter: string | undefined,
): Uint8Array {
  const id = bucketIdOf(chain.network, owner, bucket);
  return portableSha256(encode([id, prefix, delimiter ?? null])).slice(0, BINDING_LENGTH);
}

function tokenOf(binding: Uint8Array, next: Uint8Array): string {
  return base64url.encode(concat(binding, next));
}

function openToken(token: string, binding: Uint8Array): Uint8Array {
  const bytes = decodeToken(token);
  if (bytes === undefined || !begins(bytes, binding)) {
    throw new StoreError('INVALID_ARGUMENT', 'the continuation token is of another listing', {
      next: 'Give it with the same bucket, prefix and delimiter, or begin anew without it.',
    });
  }
  return bytes.slice(BINDING_LENGTH);
}

function decodeToken(token: string): Uint8Array | undefined {
  if (token.length > 2 * (BINDING_LENGTH + NAME_LENGTH_MAX)) return undefined;
  try {
    return base64url.decode(token);
  } catch {
    return undefined;
  }
}
