// `store ls`: buckets, or the names in one, as the chain proves them.

import type { NameListing } from '../src/client/name-types.ts';
import { parseCount, parseText } from './args.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { KEY_OPTIONS } from './names.ts';
import type { OpenStore } from './open.ts';

const NAMES_MAX = 100_000;
const PAGE = 1000;

interface LsFlags extends ClientFlags {
  readonly recursive?: boolean;
  readonly long?: boolean;
  readonly max?: number;
  readonly token?: string;
}

export const ls: CommandSpec = {
  name: 'ls',
  summary: 'list buckets, or names that begin so',
  operands: '[uri]',
  options: [
    { flags: '-r, --recursive', help: 'every name below, not folder by folder' },
    { flags: '-l, --long', help: 'with size, etag and the height at which it was written' },
    {
      flags: '--max <count>',
      help: 'names and folders at most',
      parse: parseCount(1, NAMES_MAX),
      fallback: '1000',
    },
    { flags: '--token <token>', help: 'go on with a listing that was longer', parse: parseText },
    ...KEY_OPTIONS,
  ],
  details: `The order is that of the encrypted names: fixed, and not alphabetical. Nothing
is left out: that is proven.

Examples:
  store ls
  store ls store://photos/2024/
  store ls -r -l store://photos`,
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { recursive, long, max = PAGE, token, ...rest } = flags as LsFlags;
    if (uri === undefined) {
      await withStore(context, rest, (open) => listBuckets(context, open));
      return undefined;
    }
    const { isRemote } = await import('./names.ts');
    const { parsePrefixUri } = await import('../src/client/names/path.ts');
    isRemote(uri);
    parsePrefixUri(uri);
    await withStore(context, rest, async (open) => {
      const pages = await listUpTo(open, uri, max, recursive === true, token);
      await show(context, uri, pages, long === true);
    });
    return undefined;
  },
};

async function listBuckets({ output }: Context, { store, events }: OpenStore): Promise<void> {
  const buckets = await store.buckets.list(events);
  output.result(buckets.length === 0 ? undefined : buckets.map((name) => `store://${name}/`).join('\n'), {
    buckets,
  });
  if (buckets.length === 0) output.note('there are no buckets yet; "store bucket create NAME" makes one');
}

async function listUpTo(
  { store, events }: OpenStore,
  uri: string,
  max: number,
  isRecursive: boolean,
  from: string | undefined,
): Promise<readonly NameListing[]> {
  const pages: NameListing[] = [];
  let token = from;
  for (let left = max; left > 0; ) {
    const page = await store.list(uri, {
      ...events,
      maxKeys: Math.min(left, PAGE),
      ...(isRecursive ? {} : { delimiter: '/' }),
      ...(token === undefined ? {} : { token }),
    });
    pages.push(page);
    token = page.token;
    if (token === undefined) break;
    left -= page.names.length + page.prefixes.length + page.unreadable;
  }
  return pages;
}

async function show(
  { output }: Context,
  uri: string,
  pages: readonly NameListing[],
  isLong: boolean,
): Promise<void> {
  const { plural, printable, table } = await import('./format.ts');
  const { listingJson } = await import('./names.ts');
  const text = (name: string): string => printable(name, 4096);
  const folders = pages.flatMap(({ prefixes }) => prefixes);
  const names = pages.flatMap((page) => page.names);
  const lines = isLong
    ? table(
        ['SIZE', 'HEIGHT', 'ETAG', 'NAME'],
        [
          ...folders.map((folder) => ['', '', '', text(folder)]),
          ...names.map(({ sizeBytes, writtenAtHeight, etag, uri: name }) => [
            String(sizeBytes),
            String(writtenAtHeight),
            etag,
            text(name),
          ]),
        ],
      )
    : [...folders, ...names.map((name) => name.uri)].map(text).join('\n');
  const isEmpty = folders.length + names.length === 0;
  const json = listingJson(pages);
  output.result(isEmpty ? undefined : lines, { uri, ...json });
  if (isEmpty) output.note(`nothing begins with ${uri}`);
  const { token } = pages.at(-1)!;
  if (token !== undefined) output.note(`there is more: --token ${token}`);
  const unreadable = pages.reduce((sum, page) => sum + page.unreadable, 0);
  if (unreadable > 0) output.warn(`${plural(unreadable, 'name')} cannot be read with this key`);
}
