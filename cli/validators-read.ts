// What a state says of the validators of an epoch. Pure.

import { compare, toHex } from '../src/base/bytes.ts';
import { epochStateOf, firstKept } from '../src/shards/epoch-state.ts';
import { nodeOf, nodeStateKey } from '../src/shards/node.ts';
import { readAll } from '../src/shards/read-all.ts';
import { turnsOf } from '../src/shards/turns.ts';
import { entriesOf, powerOfAll, type SetEntries } from '../src/shards/validator-sets.ts';
import type { Overlay } from '../src/shards/view.ts';
import type { ValidatorRow, ValidatorsView } from './validators.ts';

/** Of the running epoch where none is named. Throws MissingRecords. */
export function readValidators(state: Overlay, asked: number | undefined): ValidatorsView {
  const epochState = epochStateOf(state);
  const running = epochState.epoch;
  const epoch = asked ?? running;
  const entries = entriesOf(state, epoch);
  const next = entriesOf(state, epoch + 1);
  const isRunning = epoch === running;
  const turns = isRunning ? turnsOf(state).turns : [];
  const about = { epoch, running, firstKept: firstKept(epochState) };
  if (entries === undefined) return { ...about, totalPower: 0n, rows: undefined, next: undefined };
  readAll(
    state,
    entries.map(({ registration }) => nodeStateKey(registration)),
  );
  const nextPowers = powersOf(next ?? []);
  const rows = entries.map((entry, index): ValidatorRow => {
    const node = nodeOf(state, entry.registration);
    return {
      ...entry,
      isJailed: node?.isJailed ?? false,
      isTombstoned: node?.isTombstoned ?? false,
      turns: turns[index],
      nextPower: next === undefined ? undefined : (nextPowers.get(toHex(entry.registration)) ?? 0n),
    };
  });
  rows.sort((a, b) => (a.power === b.power ? compare(a.node, b.node) : a.power < b.power ? 1 : -1));
  return { ...about, totalPower: powerOfAll(entries), rows, next };
}

function powersOf(entries: SetEntries): ReadonlyMap<string, bigint> {
  return new Map(entries.map(({ registration, power }) => [toHex(registration), power]));
}
