// `store network`: the members and the overlay among them, as measured now.

import type { MemberView, NetworkView } from '../src/client/types.ts';
import { parseCount } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import type { Overlay } from './overlay.ts';

export const network: CommandSpec = {
  name: 'network',
  summary: 'show the members of the network and how they are linked',
  operands: '',
  options: [
    {
      flags: '--delta <links>',
      help: 'excess over the average degree that makes an outlier (default: half the average)',
      parse: parseCount(0, 4096),
    },
    ...CLIENT_OPTIONS,
  ],
  details: `The five lines at the top are the system as docs/theory.md defines it (Def
1.1): nodes, links, messages, state and protocol. The degree of each node
against the average is Prop 1.1.`,
  async run(context, _, flags) {
    const { withStore } = await import('./open.ts');
    const { measureOverlay } = await import('./overlay.ts');
    const view = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.network({ ...events, probe: true }),
    );
    const overlay = measureOverlay(view.members, flags['delta'] as number | undefined);
    context.output.result(await describeNetwork(view, overlay), networkJson(view, overlay));
    return undefined;
  },
};

function networkJson(view: NetworkView, overlay: Overlay): Record<string, unknown> {
  const { degrees, ...summary } = overlay;
  const degreeOf = new Map(degrees.map(({ node, degree }) => [node, degree]));
  return {
    ...view,
    shards: 2 ** view.shardBits,
    members: view.members.map((member) => ({ ...member, degree: degreeOf.get(member.node) ?? null })),
    overlay: summary,
  };
}

async function describeNetwork(view: NetworkView, overlay: Overlay): Promise<string> {
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
    ['protocol', 'membership records signed by the genesis key'],
  ]);
  const degreeOf = new Map(overlay.degrees.map(({ node, degree }) => [node, String(degree)]));
  const rows = view.members.map((member) => [
    shortId(member.node),
    member.operator,
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
  const excess = `more than ${number(overlay.delta)} above the average degree: ${outliers === '' ? 'none' : outliers}`;
  return `${head}\n\n${members}\n\n${excess}`;
}

/** One word for a member's state. */
export function stateOf({ isReachable, status, error }: MemberView): string {
  if (!isReachable) return error?.code === 'WRONG_NETWORK' ? 'foreign' : 'down';
  if (status === undefined || status.logState === 'writable')
    return (status?.damagedEntries ?? 0) > 0 ? 'damaged' : 'ok';
  return status.logState;
}
