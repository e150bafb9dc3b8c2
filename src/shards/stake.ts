// What bonds are worth (Definition 3.2): stake = sum over assets of balance x weight. Weights are whole numbers of the parameters; the
// balance of the capacity asset is what audits have proven that a node stores. Sums stay far below 2^64, see
// `supply.ts`.

import type { Stake } from '../base/ids.ts';
import type { Amounts } from './amounts.ts';
import type { Parameters } from './parameters.ts';

export function stakeOf(parameters: Parameters, amounts: Amounts, provenGib = 0): Stake {
  const ofTokens = amounts.reduce((sum, [asset, amount]) => sum + amount * weightIn(parameters, asset), 0n);
  return (ofTokens + BigInt(provenGib) * capacityWeight(parameters)) as Stake;
}

/** numerator / denominator of each amount, rounded down. */
export function shareOf(amounts: Amounts, numerator: bigint, denominator: bigint): Amounts {
  return amounts
    .map(([asset, amount]) => [asset, (amount * numerator) / denominator] as const)
    .filter(([, amount]) => amount > 0n);
}

function weightIn(parameters: Parameters, asset: number): bigint {
  return parameters.assets[asset]?.weight ?? 0n;
}

function capacityWeight(parameters: Parameters): bigint {
  return parameters.assets.find(({ isCapacity }) => isCapacity)?.weight ?? 0n;
}
