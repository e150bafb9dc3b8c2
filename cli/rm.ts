// `store rm`: removes an object by its owner's key, and says which nodes could not be told; or a name, or all that begin with it.

import type { ReleaseOutcome, RemoveNameResult } from '../src/client/name-types.ts';
import type { RemoveResult } from '../src/client/types.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { EXIT } from './errors.ts';
import { type ConditionFlags, conditionIn, IF_MATCH, KEY_OPTIONS } from './names.ts';
import type { OpenStore } from './open.ts';

/** Names removed at a time: one batch of the chain. */
const AT_ONCE = 32;

interface RmFlags extends ClientFlags, ConditionFlags {
  readonly recursive?: boolean;
}

export const rm: CommandSpec = {
  name: 'rm',
  summary: 'remove an object that this home owns, or a name',
  operands: '<uri>',
  options: [
    { flags: '-r, --recursive', help: 'every name in this bucket or folder' },
    IF_MATCH,
    ...KEY_OPTIONS,
  ],
  details: `Only the owner's key can remove. An object goes with its name, unless it had
other names. Nodes that are down now may keep bytes until they are asked
again; the exit code is then 4.

Examples:
  store rm store://photos/2024/cat.jpg
  store rm -r store://photos/2024/`,
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { recursive, ...rest } = flags as RmFlags;
    if (recursive === true) return removeAll(context, uri!, rest);
    const { checkUri, isRemote } = await import('./names.ts');
    if (isRemote(uri!) && (await isFolder(uri!))) throw await folder(uri!);
    await checkUri(uri!);
    const condition = conditionIn(rest);
    const result = await withStore(context, rest, ({ store, events }) =>
      store.remove(uri!, { ...events, ...(condition === undefined ? {} : { condition }) }),
    );
    return tell(context, uri!, result);
  },
};

async function tell(
  { output }: Context,
  uri: string,
  result: RemoveResult | RemoveNameResult,
): Promise<number> {
  const { plural } = await import('./format.ts');
  const { nodes, removedEntries, unreachable } = result;
  const released = 'released' in result ? result.released : undefined;
  if (released !== undefined) output.note(`removed the name; ${FATES[released]}`);
  if (released === undefined || nodes > 0) {
    output.note(`removed ${plural(removedEntries, 'entry', 'entries')} from ${plural(nodes, 'node')}`);
  }
  await warnUnreachable(output, unreachable);
  output.result(undefined, {
    uri,
    nodes,
    removedEntries,
    unreachable,
    ...(released === undefined ? {} : { released }),
  });
  return unreachable.length > 0 ? EXIT.PARTIAL : EXIT.OK;
}

const FATES: Readonly<Record<ReleaseOutcome, string>> = {
  deleted: 'its object went with it',
  kept: 'its object stays, as it has or had other names',
  'not-ours': 'its object was not on the chain',
  unknown: 'another program changed it at the same time, so its object stays',
  failed: 'its object could not be removed',
};

async function warnUnreachable(output: Context['output'], unreachable: readonly string[]): Promise<void> {
  const { shortId } = await import('./format.ts');
  if (unreachable.length === 0) return;
  output.warn(`not reached, may still hold bytes: ${unreachable.map(shortId).join(' ')}`);
}

// ---- Many names ----------------------------------------------------------------------------------------------

async function isFolder(uri: string): Promise<boolean> {
  const { isNameUri, parsePrefixUri } = await import('../src/client/names/path.ts');
  if (!isNameUri(uri)) return false;
  const { prefix } = parsePrefixUri(uri);
  return prefix === '' || prefix.endsWith('/');
}

async function folder(uri: string): Promise<Error> {
  const { StoreError } = await import('../src/base/errors.ts');
  return new StoreError('INVALID_ARGUMENT', `${uri} is a bucket or a folder`, {
    next: `To remove every name in it: store rm -r ${uri}; an empty bucket: store bucket rm NAME.`,
  });
}

interface Tally {
  names: number;
  objects: number;
  removedEntries: number;
  readonly unreachable: Set<string>;
}

/** Every name in the folder, page after page, and the name that is called like it. */
async function removeAll(context: Context, uri: string, flags: RmFlags): Promise<number> {
  const { withStore } = await import('./open.ts');
  const { StoreError } = await import('../src/base/errors.ts');
  const { parsePrefixUri } = await import('../src/client/names/path.ts');
  const { isRemote } = await import('./names.ts');
  isRemote(uri);
  const { prefix } = parsePrefixUri(uri);
  if (flags.ifMatch !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', '--if-match is about one name, and --recursive about many', {
      next: 'Give one of them.',
    });
  }
  const tally: Tally = { names: 0, objects: 0, removedEntries: 0, unreachable: new Set() };
  await withStore(context, flags, async (open) => {
    const isWhole = prefix === '' || prefix.endsWith('/');
    const below = isWhole ? uri : `${uri}/`;
    for (;;) {
      const { names } = await open.store.list(below, { ...open.events, maxKeys: AT_ONCE });
      if (names.length === 0) break;
      await removeSome(
        open,
        names.map((name) => name.uri),
        tally,
      );
    }
    if (!isWhole) await removeSome(open, [uri], tally);
  });
  const { output } = context;
  const { plural } = await import('./format.ts');
  const { names, objects, removedEntries } = tally;
  if (names === 0) {
    throw new StoreError('NOT_FOUND', `there is nothing in ${uri}`, { next: 'Look with "store ls".' });
  }
  const unreachable = [...tally.unreachable].sort();
  output.note(`removed ${plural(names, 'name')}; ${plural(objects, 'object')} went with them`);
  await warnUnreachable(output, unreachable);
  output.result(undefined, { uri, names, objects, removedEntries, unreachable });
  return unreachable.length > 0 ? EXIT.PARTIAL : EXIT.OK;
}

async function removeSome(open: OpenStore, uris: readonly string[], tally: Tally): Promise<void> {
  const { StoreError } = await import('../src/base/errors.ts');
  await Promise.all(
    uris.map(async (uri) => {
      try {
        const result = await open.store.remove(uri, open.events);
        tally.names++;
        tally.removedEntries += result.removedEntries;
        if ('released' in result && result.released === 'deleted') tally.objects++;
        for (const node of result.unreachable) tally.unreachable.add(node);
      } catch (error) {
        // Somebody else removed it first.
        if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
      }
    }),
  );
}
