// `store block`: one block of the chain. Header, decision and content are checked against each other and against what this home trusts.

import { StoreError } from '../src/base/errors.ts';
import { HEIGHT_MAX } from '../src/base/limits.ts';
import type { OpenChainClient } from '../src/client/chain/client.ts';
import { refuse } from './args.ts';
import type { CheckedBlock } from './block-read.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';

export const block: CommandSpec = {
  name: 'block',
  summary: 'show a block: header, who signed it, its transactions',
  operands: '[height]',
  options: [...CLIENT_OPTIONS],
  completes: ['latest'],
  details: `Without a height, or with "latest", the newest block that is final. The block is
verified: a quorum of known validators signed its header, and the header binds
what it carries. "store tx ID" tells what came of a transaction.`,
  async run(context, [operand = 'latest'], flags) {
    const height = heightOf(operand);
    const { withChain } = await import('./open-chain.ts');
    const found = await withChain(context, flags as ClientFlags, (chain, signal) =>
      readBlock(chain, height, signal),
    );
    context.output.result(await describeBlock(found), await blockObject(found));
    return undefined;
  },
};

/** Undefined for the newest. Throws INVALID_ARGUMENT. */
function heightOf(text: string): number | undefined {
  if (text === 'latest') return undefined;
  const height = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(height >= 0 && height <= HEIGHT_MAX))
    throw refuse('height', text, 'the height of a block, or latest');
  if (height > 0) return height;
  throw new StoreError('INVALID_ARGUMENT', 'height 0 is the founding of the network, and no block', {
    next: 'The first block has height 1.',
  });
}

/** Throws NOT_FOUND. */
async function readBlock(
  chain: OpenChainClient,
  height: number | undefined,
  signal: AbortSignal,
): Promise<CheckedBlock> {
  const { askBlock, lightAt } = await import('./block-read.ts');
  const newest = await chain.light.headOnceBegun(signal);
  if (height !== undefined && height > newest.header.height) {
    throw new StoreError('NOT_FOUND', `the chain has no block ${height} yet`, {
      next: `The newest is ${newest.header.height}.`,
    });
  }
  const light = height === undefined ? newest : await lightAt(chain, height, signal);
  return askBlock(chain, light, signal);
}

// ---- Output ------------------------------------------------------------------------------------------------------

async function blockObject({
  light,
  block: found,
  signers,
  power,
}: CheckedBlock): Promise<Record<string, unknown>> {
  const { headerJson, objectJson, toJson, transactionJson } = await import('../src/node/chain/http/json.ts');
  const { toHex } = await import('../src/base/bytes.ts');
  const { header, id, certificate, validators } = light;
  return {
    header: headerJson(header, id),
    round: certificate.round,
    signers: signers.map((node) => toHex(node)),
    signedPower: power,
    totalPower: validators.totalPower,
    certificate: objectJson(certificate),
    lengthBytes: found?.bytes.length ?? null,
    transactions: found?.body.transactions.map(transactionJson) ?? null,
    evidence: found === undefined ? null : toJson(found.body.evidence),
    receipts: found?.body.parcels.reduce((sum, { receipts }) => sum + receipts.length, 0) ?? null,
  };
}

async function describeBlock({ light, block: found, signers, power }: CheckedBlock): Promise<string> {
  const { fields, formatBytes, plural, shortId, table } = await import('./format.ts');
  const { shareText } = await import('./validators.ts');
  const { timeText } = await import('./open-chain.ts');
  const { toHex } = await import('../src/base/bytes.ts');
  const { header, id, certificate, validators } = light;
  const { totalPower } = validators;
  const head = fields([
    ['block', `${header.height} of epoch ${header.epoch}`],
    ['id', toHex(id)],
    ['time', timeText(header.timeMs)],
    ['parent', toHex(header.parent)],
    ['proposer', `${shortId(toHex(header.proposer))}, decided in round ${certificate.round}`],
    [
      'signers',
      `${signers.length} of ${validators.validators.length} with ${shareText(power, totalPower)} of the power: ` +
        signers.map((node) => shortId(toHex(node))).join(' '),
    ],
    ['state', `${toHex(header.stateRoot)}, ${plural(2 ** header.shardBits, 'shard')}, before this block`],
  ]);
  if (found === undefined)
    return `${head}\n\nno node that was asked keeps the content of this block any more`;
  const { transactions, parcels, evidence, reclaims } = found.body;
  const receipts = parcels.reduce((sum, parcel) => sum + parcel.receipts.length, 0);
  const carries = [
    plural(transactions.length, 'transaction'),
    ...(receipts === 0 ? [] : [plural(receipts, 'receipt')]),
    ...(reclaims.length === 0 ? [] : [plural(reclaims.length, 'reclaim')]),
    ...(evidence.length === 0 ? [] : [`${evidence.length} of evidence`]),
  ].join(', ');
  const rows = transactions.map(({ id: transactionId, transaction }) => [
    toHex(transactionId),
    transaction.action.kind,
    shortId(toHex(transaction.sender)),
    String(transaction.nonce),
  ]);
  const list = rows.length === 0 ? '' : `\n\n${table(['transaction', 'kind', 'sender', 'nonce'], rows)}`;
  return `${head}\n\n${carries}, ${formatBytes(found.bytes.length)}${list}`;
}
