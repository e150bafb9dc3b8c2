// `store network`: the members and the overlay among them, as measured now.

import type { MemberView, NetworkView } from '../src/client/types.ts';
import { parseCount } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import type { ChainOutcome } from './network-chain.ts';
import type { Overlay } from './overlay.ts';

export const network: CommandSpec = {
  name: 'network',
  summary: 'show the network: members, links, stake, and how much of it may fail',
  operands: '',
  options: [
    {
      flags: '--delta <links>',
      help: 'excess over the average degree that makes an outlier (default: half the average)',
      parse: parseCount(0, 4096),
    },
    ...CLIENT_OPTIONS,
  ],
  details: `The lines at the top are the system as docs/theory.md defines it (Def 1.1):
nodes, links, messages, state and protocol. Prop 1.1 is the degree of each node
against the average; links are as the nodes tell them. Prop 1.2 is the least
number of validators that stops the chain, from the stake that the chain proves
by the header that the last line names.`,
  async run(context, _, flags) {
    const { withStore } = await import('./open.ts');
    const { measureOverlay } = await import('./overlay.ts');
    const { lookAtChain } = await import('./network-chain.ts');
    const [view, chain] = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      Promise.all([store.network({ ...events, probe: true }), lookAtChain(store, context.signal)]),
    );
    const overlay = measureOverlay(view.members, flags['delta'] as number | undefined);
    context.output.result(
      await describeNetwork(view, overlay, chain),
      await networkJson(view, overlay, chain),
    );
    return undefined;
  },
};

async function networkJson(
  view: NetworkView,
  overlay: Overlay,
  chain: ChainOutcome,
): Promise<Record<string, unknown>> {
  const { chainJson } = await import('./network-chain.ts');
  const { degrees, ...summary } = overlay;
  const degreeOf = new Map(degrees.map(({ node, degree }) => [node, degree]));
  return {
    ...view,
    shards: 2 ** view.shardBits,
    members: view.members.map((member) => ({ ...member, degree: degreeOf.get(member.node) ?? null })),
    overlay: summary,
    chain: chainJson(chain),
  };
}

async function describeNetwork(view: NetworkView, overlay: Overlay, chain: ChainOutcome): Promise<string> {
  const { fields, formatBytes, plural, shortId, table } = await import('./format.ts');
  const reachable = view.members.filter(({ isReachable }) => isReachable).length;
  const stored = view.members.reduce((sum, { status }) => sum + (status?.liveBytes ?? 0), 0);
  const number = (value: number): string => value.toFixed(1);
  const head = fields([
    ['network', `${view.name} (${view.network.slice(0, 16)})${view.isTrial ? ', trial: one machine' : ''}`],
    [
      'nodes',
      `${plural(view.members.length, 'member')} of ${plural(view.operators, 'operator')}, ${reachable} answer`,
    ],
    [
      'links',
      `${overlay.links} of ${overlay.possibleLinks}; degree ${number(overlay.averageDegree)} on average, at most ` +
        `${number(overlay.largestExcess)} above it`,
    ],
    ['messages', 'requests and replies over TLS 1.3 and libp2p, announcements over gossipsub'],
    ['state', `epoch ${view.epoch}, ${plural(2 ** view.shardBits, 'shard')}, ${formatBytes(stored)} stored`],
    ...(await chainRows(chain)),
  ]);
  const degreeOf = new Map(overlay.degrees.map(({ node, degree }) => [node, String(degree)]));
  const rows = view.members.map((member) => [
    shortId(member.node),
    shortId(member.operator),
    stateOf(member),
    degreeOf.get(member.node) ?? '-',
    String(member.stake),
    member.status === undefined ? '-' : formatBytes(member.status.liveBytes),
    formatBytes(member.capacityBytes),
    member.domains === undefined
      ? ''
      : Object.entries(member.domains)
          .map((pair) => pair.join('='))
          .join(' '),
    member.addresses[0] ?? '-',
  ]);
  const members = table(
    ['node', 'operator', 'state', 'degree', 'stake', 'stored', 'capacity', 'domains', 'address'],
    rows,
  );
  const outliers = overlay.outliers.map(({ node, degree }) => `${shortId(node)} (${degree})`).join(' ');
  const excess = `Prop 1.1  more than ${number(overlay.delta)} above the average degree: ${outliers === '' ? 'none' : outliers}`;
  return [head, '', members, '', excess, ...(await toleranceLines(chain))].join('\n');
}

async function chainRows(chain: ChainOutcome): Promise<(readonly [string, string])[]> {
  if (chain.kind === 'silent') return [['protocol', `the chain does not answer: ${chain.error.message}`]];
  const { formatDuration, plural } = await import('./format.ts');
  const { shareText } = await import('./validators.ts');
  const { byNode, byOperator, totalPower, largestPower, smallestPower, supply } = chain.view;
  const { height, ageMs, isAdvancing } = chain.view;
  return [
    [
      'protocol',
      `agreement of ${plural(byNode.voters, 'validator')}: more than two thirds of their power decide a block`,
    ],
    [
      'stake',
      `${totalPower} of ${plural(byOperator.voters, 'operator')}, from ${shareText(smallestPower, totalPower)} to ` +
        `${shareText(largestPower, totalPower)} each; ${supply} native tokens in all`,
    ],
    ['chain', `height ${height + 1}, ${formatDuration(ageMs)} ago${isAdvancing ? '' : ': it stands still'}`],
  ];
}

async function toleranceLines(chain: ChainOutcome): Promise<readonly string[]> {
  if (chain.kind === 'silent') return [];
  const { proofLine } = await import('./open-chain.ts');
  const { byNode, byOperator } = chain.view;
  const { voters, toHalt, toSplit } = byNode;
  const percent = Math.round((100 * toHalt.count) / voters);
  return [
    `Prop 1.2  f = ${toHalt.count - 1} of ${voters} validators may fail; ${toHalt.count} (${percent} %) stop the chain, ` +
      `${toSplit.count} could split it; of ${byOperator.voters} operators ${byOperator.toHalt.count} and ${byOperator.toSplit.count}`,
    '',
    proofLine(chain.view),
  ];
}

/** One word for a member's state. */
export function stateOf({ isReachable, status, error }: MemberView): string {
  if (!isReachable) return error?.code === 'WRONG_NETWORK' ? 'foreign' : 'down';
  if (status === undefined || status.logState === 'writable')
    return (status?.damagedEntries ?? 0) > 0 ? 'damaged' : 'ok';
  return status.logState;
}
