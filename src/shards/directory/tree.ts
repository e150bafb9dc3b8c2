// The directory of a bucket: a B+ tree of pages in the state. A look-up reads one page a level, a change writes that of its name and
// seldom more.
//
// Invariants: every page but the topmost holds at least DIRECTORY_CONTENT_MIN bytes and none more than DIRECTORY_CONTENT_MAX; the pages
// of a level cover every name, each once; the topmost page covers all and lies under ('height' - 1, empty). So pages that
// stand in the state at the same time never contradict each other.
//
// Whoever calls keeps `height` with the bucket. Pages that are not loaded are asked for by MissingRecords.

import { assert } from '../../base/assert.ts';
import { equal } from '../../base/bytes.ts';
import {
  DIRECTORY_CONTENT_MIN,
  DIRECTORY_HEIGHT_MAX,
  LISTING_NAMES_MAX,
  LISTING_PAGES_MAX,
} from '../../base/limits.ts';
import { readAll } from '../read-all.ts';
import type { Home, StateKey } from '../state-key.ts';
import type { Overlay } from '../view.ts';
import {
  childIndex,
  contentLength,
  join,
  keyOfPage,
  lowerBound,
  type Page,
  pageKey,
  pageRecord,
  split,
  valueIn,
  withoutName,
  withValue,
} from './page.ts';

export interface Directory {
  readonly bucket: Home;
  /** Levels; 0: there is none. */
  readonly height: number;
}

const FIRST: Uint8Array = new Uint8Array(0);
/** Names of a page of ordinary ones: how many pages a listing asks for at a time. */
const USUAL_NAMES = 24;

// ---- Life ----------------------------------------------------------------------------------------------------

/** An empty directory, where there was none. */
export function foundDirectory(state: Overlay, bucket: Home): Directory {
  write(state, bucket, { level: 0, from: FIRST, next: null, keys: [], values: [] });
  return { bucket, height: 1 };
}

/** Removes a directory that is empty. */
export function removeDirectory(state: Overlay, { bucket, height }: Directory): void {
  assert(height === 1, 'an empty directory is one page');
  const page = readPage(state, bucket, 0, FIRST);
  assert(page.keys.length === 0, 'a directory that is removed has no names');
  state.remove(keyOfPage(bucket, page));
}

// ---- Reading -------------------------------------------------------------------------------------------------

export interface Found {
  readonly value: Uint8Array | undefined;
  /** The page that proves it. */
  readonly page: StateKey;
}

export function find(state: Overlay, directory: Directory, name: Uint8Array): Found {
  const leaf = wayTo(state, directory, name).at(-1)!;
  return { value: valueIn(leaf, name), page: keyOfPage(directory.bucket, leaf) };
}

export interface Listing {
  readonly entries: readonly (readonly [name: Uint8Array, value: Uint8Array])[];
  /** The pages that prove that these are all there are, in order. */
  readonly pages: readonly StateKey[];
  /** Where to go on; undefined: there are no more. */
  readonly next: Uint8Array | undefined;
}

/** The first `limit` names from `from` on, at most LISTING_NAMES_MAX. */
export function range(state: Overlay, directory: Directory, from: Uint8Array, limit: number): Listing {
  assert(Number.isSafeInteger(limit) && limit >= 1, 'a listing has room for a name');
  const wanted = Math.min(limit, LISTING_NAMES_MAX);
  const entries: (readonly [Uint8Array, Uint8Array])[] = [];
  const pages: StateKey[] = [];
  let at: Uint8Array | null = from;
  while (at !== null && pages.length < LISTING_PAGES_MAX) {
    for (const leaf of leavesFrom(state, directory, at, wanted - entries.length)) {
      pages.push(keyOfPage(directory.bucket, leaf));
      for (let index = lowerBound(leaf.keys, from); index < leaf.keys.length; index++) {
        if (entries.length === wanted) return { entries, pages, next: leaf.keys[index]! };
        entries.push([leaf.keys[index]!, leaf.values[index]!]);
      }
      at = leaf.next;
      if (at !== null && entries.length === wanted) return { entries, pages, next: at };
    }
  }
  return { entries, pages, next: at ?? undefined };
}

/** The page of `at` and some that follow it, asked for together. */
function leavesFrom(state: Overlay, directory: Directory, at: Uint8Array, names: number): readonly Page[] {
  const { bucket, height } = directory;
  if (height === 1) return wayTo(state, directory, at);
  const parent = wayDown(state, directory, at, 1).at(-1)!;
  const first = childIndex(parent, at);
  const froms = parent.keys.slice(first, first + 1 + Math.ceil(names / USUAL_NAMES));
  readAll(
    state,
    froms.map((from) => pageKey(bucket, 0, from)),
  );
  return froms.map((from) => readPage(state, bucket, 0, from));
}

/** The pages that cover `name`, from the topmost down. */
function wayTo(state: Overlay, directory: Directory, name: Uint8Array): readonly Page[] {
  return wayDown(state, directory, name, 0);
}

function wayDown(
  state: Overlay,
  { bucket, height }: Directory,
  name: Uint8Array,
  lowest: number,
): readonly Page[] {
  const way = [readPage(state, bucket, height - 1, FIRST)];
  for (let level = height - 2; level >= lowest; level--) {
    const above = way.at(-1)!;
    way.push(readPage(state, bucket, level, above.keys[childIndex(above, name)]!));
  }
  return way;
}

function readPage(state: Overlay, bucket: Home, level: number, from: Uint8Array): Page {
  const page = state.get(pageKey(bucket, level, from), pageRecord);
  assert(page !== undefined, 'the pages of a directory are in the state');
  return page;
}

// ---- Changing ------------------------------------------------------------------------------------------------

/** The directory with `value` under `name`; undefined when it would be too high: then the caller refuses, and drops what was written. */
export function put(
  state: Overlay,
  directory: Directory,
  name: Uint8Array,
  value: Uint8Array,
): Directory | undefined {
  const way = wayTo(state, directory, name);
  const changed = replace(state, directory, way, withValue(way.at(-1)!, name, value));
  return changed.height > Math.max(directory.height, DIRECTORY_HEIGHT_MAX) ? undefined : changed;
}

/** The directory without `name`, which it has. Longer borders may make it a level higher, whatever its height. */
export function remove(state: Overlay, directory: Directory, name: Uint8Array): Directory {
  const way = wayTo(state, directory, name);
  const leaf = way.at(-1)!;
  assert(valueIn(leaf, name) !== undefined, 'what is removed is there');
  return replace(state, directory, way, withoutName(leaf, name));
}

/** Puts `page` in place of the last one of `way`, and mends what is then too long or too short, up to the top. */
function replace(state: Overlay, directory: Directory, way: readonly Page[], page: Page): Directory {
  const above = way.slice(0, -1);
  const parent = above.at(-1);
  if (parent === undefined) return replaceTop(state, directory, page);
  const { bucket } = directory;
  const isShort = contentLength(page) < DIRECTORY_CONTENT_MIN;
  const old = isShort ? withNeighbour(state, bucket, parent, page) : [page];
  const pages = split(old.reduce(join));
  for (const one of old) state.remove(keyOfPage(bucket, one));
  writePages(state, bucket, pages, old);
  if (pages.length === old.length && pages.every(({ from }, index) => equal(from, old[index]!.from))) {
    return directory;
  }
  const first = childIndex(parent, old[0]!.from);
  const keys = parent.keys.toSpliced(first, old.length, ...pages.map(({ from }) => from));
  return replace(state, directory, above, { ...parent, keys });
}

/** The page and the one beside it, in order. */
function withNeighbour(state: Overlay, bucket: Home, parent: Page, page: Page): readonly Page[] {
  const index = childIndex(parent, page.from);
  const right = parent.keys[index + 1];
  if (right !== undefined) return [page, readPage(state, bucket, page.level, right)];
  const left = parent.keys[index - 1];
  assert(left !== undefined, 'a page below another has a neighbour');
  return [readPage(state, bucket, page.level, left), page];
}

function replaceTop(state: Overlay, { bucket, height }: Directory, page: Page): Directory {
  const pages = split(page);
  if (pages.length > 1) {
    writePages(state, bucket, pages, [page]);
    const keys = pages.map(({ from }) => from);
    add(state, bucket, { level: height, from: FIRST, next: null, keys, values: [] });
    return { bucket, height: height + 1 };
  }
  if (page.level > 0 && page.keys.length === 1) {
    state.remove(keyOfPage(bucket, page));
    const below = readPage(state, bucket, page.level - 1, FIRST);
    return replaceTop(state, { bucket, height: height - 1 }, below);
  }
  write(state, bucket, page);
  return { bucket, height };
}

/** Writes `pages` in place of `old`. The directory has no page yet where one begins that was not among them: pages cover each name once. */
function writePages(state: Overlay, bucket: Home, pages: readonly Page[], old: readonly Page[]): void {
  for (const page of pages) {
    if (old.some(({ from }) => equal(from, page.from))) write(state, bucket, page);
    else add(state, bucket, page);
  }
}

function write(state: Overlay, bucket: Home, page: Page): void {
  const key = keyOfPage(bucket, page);
  // What was there is wanted at the end of the block: asking now saves a round.
  state.touch(key);
  state.put(key, pageRecord, page);
}

/** Where there is none. Nothing has to be loaded for it, so a page that splits costs no further attempt at the block. */
function add(state: Overlay, bucket: Home, page: Page): void {
  state.add(keyOfPage(bucket, page), pageRecord, page);
}
