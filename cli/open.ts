// Opens the store as a client for one command, and closes it whatever happens.

import { StoreError } from '../src/base/errors.ts';
import type { Digest } from '../src/base/ids.ts';
import type { CallEvents, NoticeEvent, Store, StoreOptions } from '../src/client/types.ts';
import type { ClientFlags, Context } from './command.ts';
import { plural, printable, shortId } from './format.ts';
import type { Output } from './output.ts';
import { createProgress } from './progress.ts';

/** Notices kept for --json: a broken network could send them without end. */
const NOTICES_MAX = 1000;

export interface NoticeJson {
  readonly kind: NoticeEvent['kind'];
  readonly node: string | undefined;
  readonly segment: number | undefined;
  readonly piece: number | undefined;
  readonly message: string;
}

export interface OpenStore {
  readonly store: Store;
  /** Signal, progress and notices, ready to be passed to a call. */
  readonly events: CallEvents;
  /** Notices so far, as --json shows them. */
  readonly notices: readonly NoticeJson[];
  /** Takes the progress line off the screen until there is news. */
  readonly clearProgress: () => void;
}

/** Runs `use` with an open store. Throws what opening or `use` throws. */
export async function withStore<T>(
  context: Context,
  flags: ClientFlags,
  use: (open: OpenStore) => Promise<T>,
): Promise<T> {
  const { setFlagsFromString } = await import('node:v8');
  // Young garbage dies young here: a growing nursery would only hold 15 to 20 MB more.
  setFlagsFromString('--semi-space-growth-factor=1');
  const { createStore } = await import('../src/client/store.ts');
  const { output, home, signal } = context;
  /** The command has its result: nobody is asked for anything any more. */
  let isDone = false;
  const store = await createStore({
    home,
    signal,
    ...(flags.lane === undefined ? {} : { lane: flags.lane }),
    ...(flags.memory === undefined ? {} : { memoryBytes: flags.memory }),
    ...(flags.key === undefined ? {} : { key: flags.key }),
    ...(await trustIn(flags)),
    onChainWait: waitingLine(output),
    passphrase: async (key) => {
      const file = process.env['HOLDFAST_PASSPHRASE_FILE'] || undefined;
      if (isDone && file === undefined) throw notAsked(key);
      const { askPassphrase } = await import('./passphrase.ts');
      return askPassphrase(context, key, file);
    },
  });
  const progress = createProgress(output);
  const notices: NoticeJson[] = [];
  /** How often each kind of thing was said of each node: a node that is down would fill the screen, a line a piece. */
  const said = new Map<string, { readonly node: string | undefined; count: number }>();
  const onNotice = (notice: NoticeEvent): void => {
    if (notices.length < NOTICES_MAX) notices.push(noticeJson(notice));
    // A slow holder costs nothing but time, and a spare is asked already.
    if (notice.kind === 'holder-slow') return;
    const key = `${notice.kind} ${notice.node}`;
    const before = said.get(key);
    if (before !== undefined) before.count++;
    else {
      said.set(key, { node: notice.node, count: 1 });
      if (notice.kind === 'not-registered') output.warn(notice.message);
      else output.note(noticeLine(notice));
    }
  };
  const tellRest = (): void => {
    for (const { node, count } of said.values()) {
      if (count === 1 || node === undefined) continue;
      output.note(`node ${shortId(node)}: ${count - 1} more like it (--json lists them)`);
    }
  };
  const events: CallEvents = { signal, onProgress: (event) => progress.update(event), onNotice };
  try {
    const result = await use({ store, events, notices, clearProgress: () => progress.clear() });
    isDone = true;
    await finishRegistrations(store, events, output);
    return result;
  } finally {
    progress.stop();
    tellRest();
    await store.close();
  }
}

function notAsked(key: string): StoreError {
  return new StoreError('UNAUTHORIZED', `key ${key} is protected, and this command does not need it`);
}

/** What earlier puts left to do. It is nobody's failure when the chain is still not there. */
async function finishRegistrations(store: Store, events: CallEvents, output: Output): Promise<void> {
  if (events.signal?.aborted === true) return;
  const { registered, waiting } = await store.finishRegistrations({
    ...(events.signal === undefined ? {} : { signal: events.signal }),
    onNotice: ({ message }) => output.note(printable(message)),
  });
  const objects = (count: number): string => plural(count, 'object');
  if (registered > 0) output.note(`${objects(registered)} of earlier puts came onto the chain`);
  if (waiting > 0) output.note(`${objects(waiting)} of earlier puts still wait for the chain`);
}

/** Says once that a command waits for the chain, and keeps the reason on the terminal up to date where a line may be drawn. */
function waitingLine(output: Output): (reason: StoreError) => void {
  let isSaid = false;
  return ({ message }) => {
    const text = `waiting: ${printable(message)}`;
    if (output.isLive) output.live(text);
    else if (!isSaid) output.note(text);
    isSaid = true;
  };
}

/** The block to begin with, where the user names one. Throws INVALID_ARGUMENT where half of it is missing. */
async function trustIn({ trustHeight, trustHash }: ClientFlags): Promise<Pick<StoreOptions, 'trust'>> {
  if (trustHeight === undefined && trustHash === undefined) return {};
  if (trustHeight === undefined || trustHash === undefined) {
    const [given, missing] =
      trustHash === undefined ? ['--trust-height', '--trust-hash'] : ['--trust-hash', '--trust-height'];
    throw new StoreError('INVALID_ARGUMENT', `${given} says nothing without ${missing}`, {
      next: 'Give height and id of one block, as "store epoch" prints them elsewhere.',
    });
  }
  const { fromHex } = await import('../src/base/bytes.ts');
  return { trust: { height: trustHeight, id: fromHex(trustHash) as Digest } };
}

function noticeJson({ kind, node, segmentIndex, pieceIndex, message }: NoticeEvent): NoticeJson {
  return { kind, node, segment: segmentIndex, piece: pieceIndex, message };
}

/** A notice always names the node where one node is meant. */
function noticeLine({ kind, node, segmentIndex, message }: NoticeEvent): string {
  if (kind === 'resumed' && segmentIndex !== undefined) return `resumed at segment ${segmentIndex}`;
  const text = printable(message);
  const isNamed = node === undefined || text.includes(shortId(node));
  return isNamed ? text : `node ${shortId(node)}: ${text}`;
}
