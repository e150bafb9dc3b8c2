// What an epoch's validators get for it: who missed too many of their turns is slashed a little and jailed, and the others share the fees and the
// new tokens by their power.

import { assert } from '../base/assert.ts';
import type { Epoch } from '../base/ids.ts';
import { amountOf, NATIVE, plusAmounts } from './amounts.ts';
import { rewardStake, slashStake } from './stake-changes.ts';
import { feesIn, takeFees } from './fees.ts';
import { jail, nodeOf, type Registration } from './node.ts';
import { MILLION, type Parameters } from './parameters.ts';
import { turnsOf, type Turns } from './turns.ts';
import { burn, issue, isWithinBounds, supplyOf } from './supply.ts';
import { powerOfAll, type SetEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

/** Gives who was jailed. */
export function judgeTurns(
  state: Overlay,
  parameters: Parameters,
  epoch: Epoch,
  ending: SetEntries,
): readonly Registration[] {
  const { turns } = turnsOf(state);
  const failed = ending.filter((_, index) => hasFailed(parameters, turns[index]!));
  return failed.flatMap(({ registration }) => {
    const node = nodeOf(state, registration);
    if (node === undefined || node.isJailed) return [];
    const share = BigInt(parameters.slashing.downtimePerMillion);
    burn(state, slashStake(state, node, epoch, share, BigInt(MILLION)));
    const slashed = nodeOf(state, registration)!;
    jail(state, slashed, (epoch + 1 + parameters.slashing.jailEpochs) as Epoch);
    return [registration];
  });
}

function hasFailed({ slashing }: Parameters, { made, missed }: Turns): boolean {
  return missed >= slashing.missedMin && missed * MILLION > slashing.missedPerMillion * (made + missed);
}

/** Fees and new tokens to who did its part, by power. Fees that rounding leaves stay in the pot; tokens that it leaves are not made. */
export function reward(state: Overlay, parameters: Parameters, ending: SetEntries): void {
  const fees = feesIn(state);
  const made = amountOf(NATIVE, parameters.rewardPerEpoch);
  const isPossible = isWithinBounds(parameters, plusAmounts(supplyOf(state).total, made));
  const pot = fees + (isPossible ? parameters.rewardPerEpoch : 0n);
  if (pot === 0n) return;
  const given = dealOut(state, parameters, ending, pot);
  const fromFees = given < fees ? given : fees;
  const areThere = takeFees(state, fromFees);
  const arePossible = given === fromFees || issue(state, parameters, amountOf(NATIVE, given - fromFees));
  assert(areThere && arePossible, 'what is given was there or may be made');
}

/** Gives what was given. */
function dealOut(state: Overlay, parameters: Parameters, ending: SetEntries, pot: bigint): bigint {
  const { turns } = turnsOf(state);
  const total = powerOfAll(ending);
  let given = 0n;
  for (const [index, { registration, power }] of ending.entries()) {
    const node = nodeOf(state, registration);
    if (node === undefined || node.isTombstoned || hasFailed(parameters, turns[index]!)) continue;
    given += rewardStake(state, parameters, node, (pot * power) / total);
  }
  return given;
}
