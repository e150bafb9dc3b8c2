// `store shards`: the parts that the state is split into, who stores for each, and what is on its way between them.

import { StoreError } from '../src/base/errors.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import type { Answer } from '../src/client/chain/types.ts';
import type { ShardHeader } from '../src/shards/header.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import type { ShardsRead } from './shards-read.ts';

export const shards: CommandSpec = {
  name: 'shards',
  summary: 'show the shards: roots, storage members, load, receipts under way',
  operands: '',
  options: [...CLIENT_OPTIONS],
  details: `"load" is the mean number of transactions of a block in this epoch, for each
shard alike: by it the number of shards doubles or halves at the epoch's end.
"out" and "in" count receipts that wait to be executed.`,
  async run(context, _, flags) {
    const { withChain, proofJson } = await import('./open-chain.ts');
    const view = await withChain(context, flags as ClientFlags, readBoth);
    const { toHex } = await import('../src/base/bytes.ts');
    const { answer, headers } = view;
    const { shards: read, ...load } = answer.value;
    context.output.result(await describeShards(view), {
      ...proofJson(answer),
      ...load,
      shards: read.map(({ members, ...shard }, index) => ({
        ...shard,
        stateRoot: rootOf(headers, index),
        outboxRoot: headers[index] === undefined ? null : toHex(headers[index].outboxRoot),
        members: members.map(({ node, operator }) => ({ node: toHex(node), operator })),
      })),
    });
    return undefined;
  },
};

interface ShardsView {
  readonly answer: Answer<ShardsRead>;
  /** Of the state that was read. At the block after a split or merge there are as many as before it. */
  readonly headers: readonly ShardHeader[];
}

async function readBoth(chain: OpenChainClient, signal: AbortSignal): Promise<ShardsView> {
  const { readShards, askShardHeaders } = await import('./shards-read.ts');
  const tries = 3;
  for (let left = tries; ; left--) {
    const answer = await chain.read((state) => readShards(state, chain.network), { signal });
    try {
      return { answer, headers: await askShardHeaders(chain, answer.height + 1, signal) };
    } catch (error) {
      // The nodes have gone on and no longer prove the state that was read.
      if (left === 1 || !(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
    }
  }
}

const rootOf = (headers: readonly ShardHeader[], index: number): string | null =>
  headers[index] === undefined ? null : Buffer.from(headers[index].stateRoot).toString('hex');

async function describeShards({ answer, headers }: ShardsView): Promise<string> {
  const { fields, plural, shortId, table } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { toHex } = await import('../src/base/bytes.ts');
  const { epoch, transactions, blocks, load, splitAbove, mergeBelow, shards: read } = answer.value;
  const waiting = read.reduce((sum, { receiptsOut }) => sum + receiptsOut, 0);
  const head = fields([
    ['shards', `${read.length} in epoch ${epoch}`],
    [
      'load',
      `${load.toFixed(2)} a block and shard: ${plural(transactions, 'transaction')} in ${plural(blocks, 'block')}`,
    ],
    ['rule', `more above ${splitAbove}, fewer below ${mergeBelow}`],
    ['receipts', `${waiting} under way`],
  ]);
  const rows = read.map(({ shard, members, receiptsOut, receiptsIn }, index) => [
    String(shard),
    (rootOf(headers, index) ?? '-').slice(0, 16),
    String(members.length),
    String(receiptsOut),
    String(receiptsIn),
    membersText(members.map(({ node }) => shortId(toHex(node)))),
  ]);
  return [
    head,
    '',
    table(['shard', 'root', 'members', 'out', 'in', 'stored by'], rows),
    '',
    proofLine(answer),
  ].join('\n');
}

const NAMED_MAX = 8;

function membersText(names: readonly string[]): string {
  if (names.length <= NAMED_MAX) return names.join(' ');
  return `${names.slice(0, NAMED_MAX).join(' ')} and ${names.length - NAMED_MAX} more`;
}
