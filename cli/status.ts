// `store status`: the home's network and this machine's node at a glance, with an exit code for monitoring.

import { join } from 'node:path';
import type { MemberView, NetworkView } from '../src/client/types.ts';
import { parseText } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import { EXIT } from './errors.ts';
import type { ChainOutcome } from './network-chain.ts';
import { stateOf } from './network.ts';

type Health = 'ok' | 'degraded' | 'down';

export const status: CommandSpec = {
  name: 'status',
  summary: "show this home's network and this machine's node",
  operands: '',
  options: [
    {
      flags: '--dir <folder>',
      help: "this machine's node (default: the folder node in the home)",
      parse: parseText,
    },
    ...CLIENT_OPTIONS,
  ],
  details: `Exit code 0: every member answers and can store, and the chain goes on; 4: some
cannot, or it does not; 5: none answers.`,
  async run(context, _, flags) {
    const { withStore } = await import('./open.ts');
    const { chainJson, lookAtChain } = await import('./network-chain.ts');
    const [view, chain] = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      Promise.all([store.network({ ...events, probe: true }), lookAtChain(store, context.signal)]),
    );
    const folder = (flags['dir'] as string | undefined) ?? join(context.home, 'node');
    const here = await nodeHere(folder, view);
    const health = healthOf(view, chain);
    context.output.result(await describeStatus(context.home, view, chain, health, here), {
      home: context.home,
      network: view.network,
      name: view.name,
      epoch: view.epoch,
      isTrial: view.isTrial,
      health,
      members: view.members.length,
      reachable: view.members.filter(({ isReachable }) => isReachable).length,
      operators: view.operators,
      nodes: view.members.map((member) => ({
        node: member.node,
        operator: member.operator,
        state: stateOf(member),
      })),
      chain: chainJson(chain),
      here: here ?? null,
    });
    return health === 'ok' ? EXIT.OK : health === 'down' ? EXIT.NETWORK : EXIT.PARTIAL;
  },
};

function healthOf({ members }: NetworkView, chain: ChainOutcome): Health {
  if (members.every(({ isReachable }) => !isReachable)) return 'down';
  if (chain.kind === 'silent' || !chain.view.isAdvancing) return 'degraded';
  return members.every((member) => stateOf(member) === 'ok') ? 'ok' : 'degraded';
}

interface NodeHere extends MemberView {
  /** Where its configuration says that it serves HTTP; null where that is off, or the system chooses. */
  readonly http: string | null;
}

/** The member that runs from `folder`, where there is a node in it. */
async function nodeHere(folder: string, view: NetworkView): Promise<NodeHere | undefined> {
  const { readNodeId } = await import('./node-folder.ts');
  const id = await readNodeId(folder);
  const member = id === undefined ? undefined : view.members.find(({ node }) => node === id);
  return member === undefined ? undefined : { ...member, http: await httpOf(folder) };
}

export async function httpOf(folder: string): Promise<string | null> {
  const { loadConfig } = await import('../src/node/config.ts');
  const { dataFolder } = await import('../src/node/data-folder.ts');
  const { httpPort } = await loadConfig({ file: dataFolder(folder).configFile });
  return httpPort === 'off' || httpPort === 0 ? null : `http://127.0.0.1:${httpPort}`;
}

async function describeStatus(
  home: string,
  view: NetworkView,
  chain: ChainOutcome,
  health: Health,
  here: NodeHere | undefined,
): Promise<string> {
  const { fields, formatBytes, formatDuration, plural, shortId } = await import('./format.ts');
  const answering = view.members.filter(({ isReachable }) => isReachable);
  const rows: [string, string][] = [
    ['network', `${view.name} (${view.network.slice(0, 16)})`],
    ['home', home],
    ['health', `${health}: ${answering.length} of ${view.members.length} nodes answer`],
  ];
  for (const member of view.members) {
    if (stateOf(member) === 'ok') continue;
    const reason = member.error === undefined ? '' : `: ${member.error.message}`;
    rows.push([
      '',
      `node ${shortId(member.node)} (${shortId(member.operator)}) is ${stateOf(member)}${reason}`,
    ]);
  }
  if (chain.kind === 'silent') rows.push(['chain', `does not answer: ${chain.error.message}`]);
  else {
    const { height, ageMs, isAdvancing, epoch } = chain.view;
    const pace = isAdvancing ? 'it goes on' : 'it stands still';
    rows.push(['chain', `height ${height + 1} of epoch ${epoch}, ${formatDuration(ageMs)} ago: ${pace}`]);
  }
  const trial = 'trial: all nodes are on one machine, this is no protection against its loss';
  rows.push(['mode', view.isTrial ? trial : plural(view.operators, 'independent operator')]);
  if (here?.status !== undefined) {
    const { liveBytes, quotaBytes, uptimeMs, entries, damagedEntries } = here.status;
    rows.push(['this node', `${shortId(here.node)}, ${stateOf(here)}, up ${formatDuration(uptimeMs)}`]);
    rows.push([
      'stored here',
      `${formatBytes(liveBytes)} of ${formatBytes(quotaBytes)} in ${entries} entries`,
    ]);
    if (here.http !== null) rows.push(['HTTP', `${here.http}/openapi.json`]);
    if (damagedEntries > 0) rows.push(['damaged', `${damagedEntries} entries`]);
  } else if (here !== undefined) {
    rows.push(['this node', `${shortId(here.node)} does not answer`]);
  }
  return fields(rows);
}
