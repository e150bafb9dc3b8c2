// `store node status`: how this machine's node stands: on its disk, on the chain, and in the audits of the last rounds. What it is and what it earned is
// proven by the chain; what it was asked, the node itself says over HTTP, where that is on.

import { join } from 'node:path';
import { StoreError } from '../src/base/errors.ts';
import type { NodeId } from '../src/base/ids.ts';
import type { Moment } from '../src/client/chain/types.ts';
import type { MemberView } from '../src/client/types.ts';
import type { HolderFacts } from '../src/shards/holders.ts';
import type { ClientFlags, Context } from './command.ts';
import { EXIT } from './errors.ts';
import type { NodeFlags } from './node-folder.ts';

/** An answer of the node's own HTTP; longer ones are not read. */
const ANSWER_LENGTH_MAX = 4 * 1024 * 1024;
const ANSWER_MS = 5_000;

interface AskedJson {
  readonly object: string;
  readonly segment: number | null;
  readonly piece: number;
  readonly leaf: number;
}

interface AuditsJson {
  readonly pieces: number;
  readonly leaves: number;
  readonly rounds: readonly {
    readonly round: number;
    readonly height: number;
    readonly timeMs: number;
    readonly group: number | null;
    readonly auditors: number;
    readonly audits: number;
    readonly asked: readonly AskedJson[];
  }[];
}

interface ChainSide extends Moment {
  readonly facts: HolderFacts;
  readonly round: number;
  /** KiB rounds in which it was found to hold in the running epoch: what is paid for storage is shared by them. */
  readonly earnedKib: number;
  readonly isFree: boolean;
}

interface NodeView {
  readonly node: string;
  readonly member: MemberView | undefined;
  readonly chain: ChainSide;
  readonly audits: AuditsJson | undefined;
  /** Why there is nothing of the audits. */
  readonly silence: string | undefined;
}

/** Throws INVALID_ARGUMENT for another action than status, NOT_FOUND. */
export async function showNode(
  context: Context,
  action: string,
  flags: NodeFlags & ClientFlags,
): Promise<number> {
  if (action !== 'status') {
    throw new StoreError('INVALID_ARGUMENT', `a node has no action "${action}"`, {
      next: 'Run "store node" for the node itself, or "store node status".',
    });
  }
  const folder = flags.dir ?? join(context.home, 'node');
  const { readNodeId } = await import('./node-folder.ts');
  const node = await readNodeId(folder);
  if (node === undefined) {
    throw new StoreError('NOT_FOUND', `there is no node in ${folder}`, {
      next: 'Name its data folder with --dir.',
    });
  }
  const { withStore } = await import('./open.ts');
  const view = await withStore(context, flags, async ({ store, events }): Promise<NodeView> => {
    const [network, chain, audits] = await Promise.all([
      store.network({ ...events, probe: true }),
      chainSide(await store.chain(events), node, context.signal),
      auditsOf(folder, flags.httpPort, context.signal),
    ]);
    const member = network.members.find((each) => each.node === node);
    return { node, member, chain, ...audits };
  });
  const code = isWell(view) ? EXIT.OK : EXIT.PARTIAL;
  context.output.result(await describe(view), viewJson(view));
  return code;
}

function isWell({ member, chain }: NodeView): boolean {
  const { record, standing } = chain.facts;
  const isPunished = record === undefined || record.isJailed || record.isTombstoned;
  return member?.status?.damagedEntries === 0 && standing === 'healthy' && !isPunished;
}

// ---- The chain ---------------------------------------------------------------------------------------------------

async function chainSide(
  client: Awaited<ReturnType<import('../src/client/types.ts').Store['chain']>>,
  node: string,
  signal: AbortSignal,
): Promise<ChainSide> {
  const { fromHex } = await import('../src/base/bytes.ts');
  const { networkFacts } = await import('../src/client/care/object-facts.ts');
  const { auditRoundsOf } = await import('../src/shards/audit-rounds.ts');
  const { earnedIn } = await import('../src/shards/escrow.ts');
  const { holderFacts } = await import('../src/shards/holders.ts');
  const { parametersOf } = await import('../src/shards/parameters.ts');
  const { isFree } = await import('../src/shards/prices.ts');
  const { value, ...moment } = await client.read(
    (state) => {
      const { members, rules, epoch } = networkFacts(state, client.network);
      const facts = holderFacts(state, members, rules, fromHex(node) as NodeId);
      const { record } = facts;
      return {
        facts,
        round: auditRoundsOf(state).at(-1)?.round ?? 0,
        earnedKib: record === undefined ? 0 : earnedIn(state, record.registration, epoch.epoch),
        isFree: isFree(parametersOf(state).prices),
      };
    },
    { signal },
  );
  return { ...value, ...moment };
}

// ---- Its own word ------------------------------------------------------------------------------------------------

async function auditsOf(
  folder: string,
  port: NodeFlags['httpPort'],
  signal: AbortSignal,
): Promise<Pick<NodeView, 'audits' | 'silence'>> {
  const { httpOf } = await import('./status.ts');
  const url = typeof port === 'number' ? `http://127.0.0.1:${port}` : await httpOf(folder);
  if (url === null)
    return {
      audits: undefined,
      silence: 'its HTTP is off, or on a port that the system chose and --http-port can name',
    };
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const answer = await fetch(`${url}/v1/audits`, { signal: limit });
    const text = await answer.text();
    if (text.length > ANSWER_LENGTH_MAX) return { audits: undefined, silence: 'its answer is too long' };
    if (answer.ok) return { audits: JSON.parse(text) as AuditsJson, silence: undefined };
    const { error } = JSON.parse(text) as { readonly error?: { readonly message: string } };
    return { audits: undefined, silence: error?.message ?? `it answers ${answer.status}` };
  } catch {
    if (signal.aborted) throw new StoreError('ABORTED', 'interrupted');
    return { audits: undefined, silence: `it does not answer at ${url}` };
  }
}

// ---- What is shown -----------------------------------------------------------------------------------------------

function viewJson({ node, member, chain, audits }: NodeView): Readonly<Record<string, unknown>> {
  const { facts, round, earnedKib, height, timeMs } = chain;
  const { record, audits: found, standing } = facts;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  return {
    node,
    registration: record === undefined ? null : hex(record.registration),
    operator: record === undefined ? null : hex(record.operator),
    standing,
    isMember: facts.member !== undefined,
    isJailed: record?.isJailed ?? false,
    isRetired: record?.isRetired ?? false,
    bonded: record === undefined ? [] : record.bonded.map(([asset, amount]) => ({ asset, amount })),
    provenGib: record?.provenGib ?? 0,
    earnedKibRounds: earnedKib,
    rounds: { running: round, judged: found?.round ?? 0, silent: found?.silentRounds ?? 0 },
    provenHeight: found?.provenHeight ?? 0,
    asked: found?.asked ?? 0,
    failed: found?.failed ?? 0,
    heldBytes: (found?.heldKib ?? 0) * 1024,
    score: found?.score ?? 0,
    status: member?.status ?? null,
    audits: audits ?? null,
    height,
    provenBy: { height: height + 1, time: new Date(timeMs).toISOString() },
  };
}

async function describe({ node, member, chain, audits, silence }: NodeView): Promise<string> {
  const { fields, formatBytes, formatDuration, plural, shortId, table } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { record, audits: found, standing } = chain.facts;
  const status = member?.status;
  const punished = [
    record?.isJailed === true ? 'jailed' : '',
    record?.isRetired === true ? 'retired' : '',
  ].filter((word) => word !== '');
  const rows: [string, string][] = [
    ['node', `${node}${member === undefined ? ', no member of the network' : ''}`],
    ['standing', [standing, ...punished].join(', ')],
  ];
  if (status === undefined)
    rows.push(['answers', `no: ${member?.error?.message ?? 'nobody knows its address'}`]);
  else {
    rows.push(
      ['answers', `yes, up ${formatDuration(status.uptimeMs)}, log ${status.logState}`],
      [
        'on its disk',
        `${formatBytes(status.liveBytes)} of ${formatBytes(status.quotaBytes)} in ${plural(status.entries, 'entry', 'entries')}${status.damagedEntries > 0 ? `, ${status.damagedEntries} damaged` : ''}`,
      ],
    );
  }
  if (audits !== undefined) {
    rows.push(['by the chain', `${plural(audits.pieces, 'piece')} of ${formatBytes(audits.leaves * 1024)}`]);
  }
  if (found !== undefined) {
    const proven = found.provenHeight === 0 ? 'never yet' : `at height ${found.provenHeight}`;
    rows.push(
      [
        'proved all',
        `${proven}; judged last in round ${found.round} of ${chain.round}, ${plural(found.silentRounds, 'silent round')} in a row`,
      ],
      [
        'asked',
        `${found.asked} leaves in all, ${found.failed} of them not shown; score ${(found.score / 10_000).toFixed(1)} %`,
      ],
    );
  }
  if (record !== undefined) {
    const stake = record.bonded
      .map(([asset, amount]) => `${amount}${asset === 0 ? '' : ` of asset ${asset}`}`)
      .join(', ');
    rows.push(['stake', `${stake || '0'} bonded, ${record.provenGib} GiB proven`]);
    rows.push([
      'earns',
      chain.isFree
        ? 'nothing: storage is free here'
        : `a share for ${formatBytes(chain.earnedKib * 1024)} found in the rounds of this epoch`,
    ]);
  }
  const rounds = (audits?.rounds ?? []).map((each) => [
    String(each.round),
    `height ${each.height}`,
    String(each.asked.length),
    String(new Set(each.asked.map(({ object, segment, piece }) => `${object} ${segment} ${piece}`)).size),
    each.group === null ? '-' : String(each.group),
    String(each.auditors),
    String(each.audits),
  ]);
  const last = audits?.rounds.findLast(({ asked }) => asked.length > 0)?.asked.slice(0, 3) ?? [];
  const samples = last.map(({ object, segment, piece, leaf }) =>
    segment === null
      ? `a copy of the manifest of ${shortId(object)}`
      : `leaf ${leaf} of piece ${piece} of segment ${segment} of ${shortId(object)}`,
  );
  return [
    fields(rows),
    ...(rounds.length > 0
      ? [table(['round', 'began at', 'asked', 'places', 'group', 'auditors', 'audits'], rounds)]
      : []),
    ...(samples.length > 0 ? [`asked last: ${samples.join('; ')}`] : []),
    ...(silence === undefined ? [] : [`what the last rounds asked is not known: ${silence}`]),
    proofLine(chain),
  ].join('\n\n');
}
