// `store stake show`: an account or a node, proven.

import { toHex } from '../src/base/bytes.ts';
import type { OwnerId } from '../src/base/ids.ts';
import type { Moment } from '../src/client/chain/types.ts';
import { nodeJson, objectJson, toJson } from '../src/node/chain/http/json.ts';
import type { Amounts } from '../src/shards/amounts.ts';
import { nodeWithKey, type NodeRecord } from '../src/shards/node.ts';
import { type Parameters, parametersOf } from '../src/shards/parameters.ts';
import type { Overlay } from '../src/shards/view.ts';
import type { Context } from './command.ts';
import { fields, shortId, table } from './format.ts';
import { proofJson, proofLine, withChain } from './open-chain.ts';
import type { StakeFlags } from './stake.ts';
import { accountNamed, assetName, checkNodeText, nodeNamed, signingAccount } from './stake-names.ts';
import { type AccountRead, type NodeRead, readAccount, readNode, type UnbondingRead } from './stake-read.ts';

type Shown =
  | { readonly kind: 'account'; readonly read: AccountRead; readonly parameters: Parameters }
  | { readonly kind: 'node'; readonly read: NodeRead; readonly parameters: Parameters };

/** Throws NOT_FOUND, INVALID_ARGUMENT, and what reading throws. */
export async function showStake(
  context: Context,
  text: string | undefined,
  flags: StakeFlags,
): Promise<undefined> {
  const account =
    text === undefined ? await signingAccount(context, flags) : await accountNamed(context.home, text);
  if (account === undefined) checkNodeText(text!);
  await withChain(context, flags, async (chain, signal) => {
    const answer = await chain.read((state, at) => look(state, at, account, text), { signal });
    const { value } = answer;
    const words =
      value.kind === 'node'
        ? nodeText(value.read, value.parameters)
        : accountText(value.read, value.parameters);
    const json = value.kind === 'node' ? nodeObject(value.read) : accountObject(value.read, value.parameters);
    context.output.result(`${words}\n\n${proofLine(answer)}`, {
      kind: value.kind,
      ...json,
      ...proofJson(answer),
    });
  });
  return undefined;
}

/** 64 digits are a node where one has that key, else an account. */
function look(state: Overlay, at: Moment, account: OwnerId | undefined, text: string | undefined): Shown {
  const parameters = parametersOf(state);
  const key =
    account === undefined || text === undefined ? undefined : (account as Uint8Array as NodeRecord['key']);
  const node =
    account === undefined ? nodeNamed(state, text!) : key === undefined ? undefined : nodeWithKey(state, key);
  if (node !== undefined) return { kind: 'node', read: readNode(state, at, node), parameters };
  return { kind: 'account', read: readAccount(state, at, account!), parameters };
}

// ---- A node ------------------------------------------------------------------------------------------------------

function nodeObject({ node, bonds, unbonding, stake, power }: NodeRead): Record<string, unknown> {
  return { node: { ...nodeJson(node, bonds, unbonding), stake: stake.toString(), power: power.toString() } };
}

function nodeText({ node, stake, power, bonds, unbonding }: NodeRead, parameters: Parameters): string {
  const head = fields([
    ['node', toHex(node.key)],
    ['operator', toHex(node.operator)],
    ['state', stateText(node)],
    [
      'stake',
      `${stake}: ${amountsText(node.bonded, parameters)}${node.provenGib === 0 ? '' : ` and ${node.provenGib} GiB proven`}`,
    ],
    ['power', power === 0n ? 'none in this epoch' : String(power)],
    ['takes others', node.acceptsDelegation ? 'yes' : 'no'],
  ]);
  const rows = bonds.map(({ owner, amounts }) => [toHex(owner), amountsText(amounts, parameters)]);
  const lines = unbonding.map((entry) => [
    toHex(entry.owner),
    `${entry.amount} ${assetName(parameters, entry.asset)}`,
    freeText(entry),
  ]);
  return [
    head,
    ...(rows.length === 0 ? [] : ['', table(['bonded by', 'amount'], rows)]),
    ...(lines.length === 0 ? [] : ['', table(['unbonding of', 'amount', 'free'], lines)]),
  ].join('\n');
}

function stateText({
  isRetired,
  isTombstoned,
  isJailed,
  jailedUntil,
  validates,
  admissionSeed,
}: NodeRecord): string {
  const words = [
    ...(isRetired ? ['retired'] : []),
    ...(isTombstoned ? ['tombstoned'] : []),
    ...(isJailed ? [`jailed until epoch ${jailedUntil}`] : []),
    ...(validates ? [] : ['stores only']),
    ...(admissionSeed === null ? ['not admitted yet'] : []),
  ];
  return words.length === 0 ? 'ok' : words.join(', ');
}

// ---- An account --------------------------------------------------------------------------------------------------

function accountObject(
  { owner, isThere, account, operates, isTombstoned, stakes }: AccountRead,
  parameters: Parameters,
): Record<string, unknown> {
  return {
    account: toHex(owner),
    isThere,
    nonce: account.nonce,
    balances: account.balances.map(([asset, amount]) => ({ asset: assetName(parameters, asset), amount })),
    operates: operates.map(({ key }) => toHex(key)),
    isTombstoned,
    stakes: stakes.map(({ node, bonded, unbonding }) => ({
      node: toHex(node.key),
      bonded: toJson(bonded.map(([asset, amount]) => ({ asset: assetName(parameters, asset), amount }))),
      unbonding: unbonding.map(objectJson),
    })),
  };
}

function accountText(
  { owner, isThere, account, operates, isTombstoned, stakes }: AccountRead,
  parameters: Parameters,
): string {
  const head = fields([
    ['account', toHex(owner)],
    [
      'balance',
      isThere ? amountsText(account.balances, parameters) : 'none: the chain does not know this account yet',
    ],
    ['nonce', String(account.nonce)],
    [
      'operates',
      operates.length === 0 ? 'no node' : operates.map(({ key }) => shortId(toHex(key))).join(' '),
    ],
    ...(isTombstoned ? [['state', 'tombstoned: out for good'] as const] : []),
  ]);
  const rows = stakes.flatMap(({ node, bonded, unbonding }) => [
    ...(bonded.length === 0
      ? []
      : [[shortId(toHex(node.key)), 'bonded', amountsText(bonded, parameters), '']]),
    ...unbonding.map((entry) => [
      shortId(toHex(node.key)),
      entry.lastEpoch === null ? 'waiting' : 'unbonding',
      `${entry.amount} ${assetName(parameters, entry.asset)}`,
      freeText(entry),
    ]),
  ]);
  return rows.length === 0 ? head : `${head}\n\n${table(['node', 'stake', 'amount', 'free'], rows)}`;
}

// ---- Words -------------------------------------------------------------------------------------------------------

function amountsText(amounts: Amounts, parameters: Parameters): string {
  if (amounts.length === 0) return '0';
  return amounts.map(([asset, amount]) => `${amount} ${assetName(parameters, asset)}`).join(', ');
}

function freeText({ isFree, freeFrom }: UnbondingRead): string {
  if (isFree) return 'now';
  return freeFrom === undefined ? 'is let go at an end of an epoch' : `not before epoch ${freeFrom}`;
}
