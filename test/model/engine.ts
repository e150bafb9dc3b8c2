// The code under test: the modules of `src/consensus`, or of a copy of that folder which somebody has damaged on purpose. What is explored
// is always the code that is loaded here, never a model of it.

import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export type RoundModule = typeof import('../../src/consensus/round.ts');
export type ValidatorSetModule = typeof import('../../src/consensus/validator-set.ts');
export type DriverModule = typeof import('../../src/consensus/driver.ts');
export type VoteKeeperModule = typeof import('../../src/consensus/vote-keeper.ts');
export type EvidenceModule = typeof import('../../src/consensus/evidence.ts');

export interface Engine {
  readonly round: RoundModule;
  readonly validatorSet: ValidatorSetModule;
  readonly driver: DriverModule;
  readonly voteKeeper: VoteKeeperModule;
  readonly evidence: EvidenceModule;
}

export const ENGINE_FOLDER: string = fileURLToPath(new URL('../../src/consensus', import.meta.url));

/** Imports the engine of `folder`: a folder with round.ts, driver.ts and the rest, beside a folder `base`. */
export async function loadEngine(folder: string = ENGINE_FOLDER): Promise<Engine> {
  const load = (file: string): Promise<unknown> => import(pathToFileURL(resolve(folder, file)).href);
  const [round, validatorSet, driver, voteKeeper, evidence] = await Promise.all(
    ['round.ts', 'validator-set.ts', 'driver.ts', 'vote-keeper.ts', 'evidence.ts'].map(load),
  );
  return { round, validatorSet, driver, voteKeeper, evidence } as Engine;
}
