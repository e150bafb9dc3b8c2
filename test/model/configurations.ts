// What is explored: who has how much power, who is Byzantine, who proposes when. Validators of equal power are interchangeable, so of the
// placements that differ only by their names one is taken.

export interface Configuration {
  readonly rounds: number;
  /** Power by validator. */
  readonly powers: readonly number[];
  readonly byzantine: readonly number[];
  /** Honest validators that never take a step. */
  readonly silent: readonly number[];
  /** Proposer by round. */
  readonly proposers: readonly number[];
  /** Whether the Byzantine validators say anything: then everything, to everybody. */
  readonly isByzantineLoud: boolean;
}

export interface Stake {
  readonly powers: readonly number[];
  readonly byzantine: readonly number[];
}

export const nameOfStake = (powers: readonly number[]): string => powers.join(',');

export const nameOfConfiguration = (configuration: Configuration): string => {
  const { powers, byzantine, silent, proposers, isByzantineLoud, rounds } = configuration;
  const voice = isByzantineLoud ? '' : ' (silent)';
  const resting = silent.length === 0 ? '' : `, resting ${silent.map(nameOfValidator).join(' ')}`;
  return (
    `${rounds} rounds, stakes ${nameOfStake(powers)}, Byzantine ${byzantine.map(nameOfValidator).join(' ')}${voice}${resting}, ` +
    `proposers ${proposers.map(nameOfValidator).join(' ')}`
  );
};

export const nameOfValidator = (validator: number): string => `v${validator}`;

/** Every assignment of proposers to rounds, one of each class of assignments that equal validators make by changing places. */
export function placements(stake: Stake, rounds: number): number[][] {
  const found = new Map<string, number[]>();
  for (const proposers of assignments(stake.powers.length, rounds)) {
    const key = shapeOf(stake, proposers);
    if (!found.has(key)) found.set(key, proposers);
  }
  return [...found.values()];
}

function assignments(validators: number, rounds: number): number[][] {
  if (rounds === 0) return [[]];
  return assignments(validators, rounds - 1).flatMap((head) =>
    Array.from({ length: validators }, (_, validator) => [...head, validator]),
  );
}

/** Validators named by what they are and by when among their likes they first proposed. */
function shapeOf({ powers, byzantine }: Stake, proposers: readonly number[]): string {
  const kinds = powers.map((power, validator) => `${power}${byzantine.includes(validator) ? 'z' : 'h'}`);
  const seen = new Map<string, number[]>();
  return proposers
    .map((validator) => {
      const alike = seen.get(kinds[validator]!) ?? [];
      if (!alike.includes(validator)) alike.push(validator);
      seen.set(kinds[validator]!, alike);
      return `${kinds[validator]}${alike.indexOf(validator)}`;
    })
    .join(' ');
}

export function configurationsOf(stake: Stake, rounds: number): Configuration[] {
  return placements(stake, rounds).map((proposers) => ({
    ...stake,
    rounds,
    proposers,
    silent: [],
    isByzantineLoud: true,
  }));
}
