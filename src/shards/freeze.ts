// Who will vote two epochs from now: at a border, nodes without the least stake are retired, and the largest stakes that are left become the
// validators of e + 2, as far as churn lets them; stake that asked to leave and is not needed behind them is let go.

import { compare, toHex } from '../base/bytes.ts';
import type { Epoch } from '../base/ids.ts';
import { amountIn, NATIVE } from './amounts.ts';
import { releaseWaiting, unbondingKey } from './bonds.ts';
import { byPower, nextPowers, type Powers } from './churn.ts';
import { earnedKey } from './escrow.ts';
import { nodeOf, type NodeRecord, operatorOf, operatorStateKey, type Registration } from './node.ts';
import { allRegistrations } from './node-index.ts';
import type { Parameters } from './parameters.ts';
import { readAll } from './read-all.ts';
import { retire } from './retirement.ts';
import { stakeOf } from './stake.ts';
import { contributorKey } from './turns.ts';
import { putEntries, type SetEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

/** All that are not retired, read once: there are thousands. */
function listedNodes(state: Overlay): readonly NodeRecord[] {
  return allRegistrations(state).map((registration) => nodeOf(state, registration)!);
}

/** Those without the least stake, and those that are put out. Gives who was retired. */
export function retireUnfit(
  state: Overlay,
  parameters: Parameters,
  epoch: Epoch,
  expelled: readonly NodeRecord[],
): readonly Registration[] {
  const out = new Set(expelled.map(({ registration }) => toHex(registration)));
  const isPoor = (node: NodeRecord): boolean => amountIn(node.bonded, NATIVE) < parameters.stake.nodeMin;
  const unfit = listedNodes(state).filter((node) => isPoor(node) || out.has(toHex(node.registration)));
  readAll(
    state,
    unfit.flatMap(({ operator, registration, key }) => [
      earnedKey(registration),
      operatorStateKey(operator),
      unbondingKey(registration),
      contributorKey(key),
    ]),
  );
  // In an order that does not depend on places, which the removals change.
  const sorted = unfit.map(({ registration }) => registration).sort(compare);
  for (const registration of sorted) retire(state, parameters, nodeOf(state, registration)!, epoch);
  return sorted;
}

/** Gives the new set, and the listed nodes as they are then. */
export function freeze(
  state: Overlay,
  parameters: Parameters,
  epoch: Epoch,
  next: SetEntries,
): { after: SetEntries; listed: readonly NodeRecord[] } {
  const listed = listedNodes(state);
  const leaving = next
    .map(({ registration }) => nodeOf(state, registration)!)
    .filter((node) => node.isRetired);
  const nodes = new Map([...listed, ...leaving].map((node) => [toHex(node.registration), node]));
  const waiting = [...nodes.values()].filter((node) => node.waiting.length > 0);
  readAll(
    state,
    waiting.map(({ registration }) => unbondingKey(registration)),
  );
  const powers = powersAfter(state, parameters, next, listed, nodes);
  const entries = [...powers].map(([id, power]) => {
    const { key, registration, operator } = nodes.get(id)!;
    return { node: key, power, registration, operator };
  });
  const released = listed.map((node) => {
    const power = node.waiting.length === 0 ? 0n : (powers.get(toHex(node.registration)) ?? 0n);
    return releaseWaiting(state, parameters, node, power, (epoch + 1) as Epoch);
  });
  for (const node of leaving) {
    const power = powers.get(toHex(node.registration)) ?? 0n;
    releaseWaiting(state, parameters, node, power, (epoch + 1) as Epoch);
  }
  return { after: putEntries(state, (epoch + 2) as Epoch, entries), listed: released };
}

function powersAfter(
  state: Overlay,
  parameters: Parameters,
  next: SetEntries,
  listed: readonly NodeRecord[],
  nodes: ReadonlyMap<string, NodeRecord>,
): Powers {
  const before: Powers = new Map(next.map(({ registration, power }) => [toHex(registration), power]));
  const held: Powers = new Map(
    [...nodes].map(([id, node]) => [id, isBarred(state, node) ? 0n : heldStake(parameters, node)]),
  );
  return nextPowers(before, wantedPowers(parameters, listed), held, parameters.stake);
}

/** The largest stakes, as far as there are seats. */
function wantedPowers(parameters: Parameters, nodes: readonly NodeRecord[]): Powers {
  const stakes = nodes
    .filter((node) => node.validates && !node.isJailed && !node.isTombstoned)
    .map((node) => [toHex(node.registration), stakeOf(parameters, node.bonded, node.provenGib)] as const)
    .filter(([, stake]) => stake >= parameters.stake.validatorMin)
    .map(([id, stake]): readonly [string, bigint] => [id, stake])
    .sort(byPower);
  return new Map(stakes.slice(0, parameters.stake.validatorsMax));
}

function isBarred(state: Overlay, node: NodeRecord): boolean {
  // A retired node is no longer listed with its operator, so the tombstone is asked for there.
  return (
    node.isJailed || node.isTombstoned || (node.isRetired && operatorOf(state, node.operator).isTombstoned)
  );
}

function heldStake(parameters: Parameters, node: NodeRecord): bigint {
  const waiting = stakeOf(parameters, node.waiting);
  return stakeOf(parameters, node.bonded, node.provenGib) + waiting;
}
