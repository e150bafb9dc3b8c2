// The rules of a network that its validators may change: one record, the whole of which is replaced at an epoch's border once more
// than two thirds of the power voted for it (`governance.ts`). Numbers that would make the rules contradict each other never
// get that far: `parametersProblem` refuses them, and `successionProblem` what must not change any more.

import { z } from 'zod';
import { bigUint, encode, label, listOf, uint } from '../base/codec.ts';
import { assert } from '../base/assert.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';
import {
  ASSET_SUPPLY_MAX,
  ASSET_WEIGHT_MAX,
  ASSETS_MAX,
  EPOCH_BLOCKS_MAX,
  MEMBERS_MAX,
  SHARD_BITS_MAX,
  UNBONDING_EPOCHS_MAX,
  VALIDATORS_MAX,
} from '../base/limits.ts';
import { DEFAULT_PARAMS } from '../base/params.ts';
import { DEFAULT_TIMEOUTS, type TimeoutParams } from '../consensus/types.ts';
import {
  type AuditRules,
  auditRulesProblem,
  auditRulesSchema,
  auditRulesTuple,
  DEFAULT_AUDIT,
} from './audit-rules.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** What stake may consist of. */
export interface Asset {
  readonly name: string;
  /** Stake that one unit is worth. */
  readonly weight: bigint;
  /** Its balance is the GiB of storage that audits have proven, not tokens: nobody can bond or send it. */
  readonly isCapacity: boolean;
}

export interface StakeRules {
  /** Least stake of a validator. */
  readonly validatorMin: bigint;
  /** Least native tokens bonded to a node: below it, it is no member. A place in the index costs as much. */
  readonly nodeMin: bigint;
  /** Least amount of an asset that an owner has bonded at a node, so that dust does not take the places of others. */
  readonly bondMin: bigint;
  readonly validatorsMax: number;
  /** Share of all power that may come and go between two epochs, in millionths. */
  readonly churnPerMillion: number;
  /** Epochs from the end of the last one in which stake gave power until it is free. */
  readonly unbondingEpochs: number;
}

/** Evidence is too old only when both ages are above these. */
export interface EvidenceRules {
  readonly ageBlocks: number;
  readonly ageMs: number;
  /** Share of a slash, in millionths, that goes to whoever reported it. */
  readonly reporterPerMillion: number;
}

/** Shares of stake, in millionths. */
export interface SlashingRules {
  /** Two votes or proposals of one round, before the correlation penalty. */
  readonly doubleSignPerMillion: number;
  /** That much of the share of power that was slashed within an unbonding is added. */
  readonly correlationFactor: number;
  /** Amnesia, or a decision shown to light clients that was none. */
  readonly attackPerMillion: number;
  /** Missing too many proposals. */
  readonly downtimePerMillion: number;
  /** Above this share of missed proposals in an epoch a node is jailed... */
  readonly missedPerMillion: number;
  /** ...when it missed at least so many. */
  readonly missedMin: number;
  readonly jailEpochs: number;
}

export interface FeeRules {
  readonly perTransaction: bigint;
  readonly perByte: bigint;
}

/** When the number of shards doubles or halves. */
export interface ShardingRules {
  readonly bitsMin: number;
  readonly bitsMax: number;
  /** Mean transactions of a block and shard above which shards split, if there are members for twice as many... */
  readonly splitLoad: number;
  /** ...and below which two become one. At most a quarter of the other, so that they do not take turns. */
  readonly mergeLoad: number;
}

export interface StorageRules {
  /** Storage members of a shard, where there are that many. */
  readonly shardMembersMin: number;
  /** Largest share of a shard's members that one operator may hold, as 1/x. */
  readonly operatorShareDivisor: number;
  readonly isTrial: boolean;
}

export interface PriceRules {
  /** Native tokens for a GiB that holders keep for an epoch; of an object all pieces and copies count. 0: nothing is paid. */
  readonly perGib: bigint;
  /** What counts as an epoch where time is paid for: how long one takes is known only when it is over. */
  readonly epochMs: number;
}

export interface Parameters {
  readonly epochBlocks: number;
  /** Epochs for which a proposal to change the parameters stays open. */
  readonly proposalEpochs: number;
  /** Blocks within which a receipt is executed, or taken back afterwards. */
  readonly receiptLifetimeBlocks: number;
  /** Native tokens made for the validators of an epoch. */
  readonly rewardPerEpoch: bigint;
  readonly stake: StakeRules;
  readonly evidence: EvidenceRules;
  readonly slashing: SlashingRules;
  /** Asset 0 is the native token. */
  readonly assets: readonly Asset[];
  readonly fees: FeeRules;
  readonly sharding: ShardingRules;
  readonly storage: StorageRules;
  readonly timeouts: TimeoutParams;
  readonly audit: AuditRules;
  readonly prices: PriceRules;
}

export const MILLION = 1_000_000;
const DAY_MS = 24 * 3600 * 1000;

export const DEFAULT_PARAMETERS: Parameters = {
  // An hour at a block a second.
  epochBlocks: 3600,
  proposalEpochs: 168,
  // A quarter of an hour: long enough for a shard that is behind to catch up, short enough to wait for one's money.
  receiptLifetimeBlocks: 900,
  // A private network needs no new tokens.
  rewardPerEpoch: 0n,
  stake: {
    validatorMin: 1n,
    nodeMin: 1n,
    bondMin: 1n,
    validatorsMax: VALIDATORS_MAX,
    // A light client that knows a set still knows two thirds of the power three epochs later.
    churnPerMillion: 100_000,
    // Three weeks, the practice of others: longer than anybody is offline, so that clients find the slashable set.
    unbondingEpochs: 504,
  },
  evidence: { ageBlocks: 504 * 3600, ageMs: 21 * DAY_MS, reporterPerMillion: 50_000 },
  slashing: {
    doubleSignPerMillion: 50_000,
    // A third of all power at fault together loses everything.
    correlationFactor: 3,
    attackPerMillion: MILLION,
    downtimePerMillion: 100,
    missedPerMillion: 500_000,
    missedMin: 4,
    jailEpochs: 1,
  },
  assets: [
    { name: 'native', weight: 1n, isCapacity: false },
    { name: 'capacity', weight: 1n, isCapacity: true },
  ],
  fees: { perTransaction: 0n, perByte: 0n },
  sharding: { bitsMin: 0, bitsMax: 4, splitLoad: 256, mergeLoad: 32 },
  storage: {
    shardMembersMin: DEFAULT_PARAMS.shardMembersMin,
    operatorShareDivisor: DEFAULT_PARAMS.operatorShareDivisor,
    isTrial: DEFAULT_PARAMS.isTrial,
  },
  timeouts: DEFAULT_TIMEOUTS,
  audit: DEFAULT_AUDIT,
  // A private network pays its nodes otherwise.
  prices: { perGib: 0n, epochMs: 3_600_000 },
};

// ---- Form --------------------------------------------------------------------------------------------------------

const perMillion = uint(MILLION);
const timeoutMs = uint(3_600_000);

const assetSchema = z
  .tuple([label, bigUint, z.boolean()])
  .transform(([name, weight, isCapacity]): Asset => ({ name, weight, isCapacity }));

const stakeSchema = z
  .tuple([bigUint, bigUint, bigUint, uint(VALIDATORS_MAX), perMillion, uint(UNBONDING_EPOCHS_MAX)])
  .transform(
    ([validatorMin, nodeMin, bondMin, validatorsMax, churnPerMillion, unbondingEpochs]): StakeRules => ({
      validatorMin,
      nodeMin,
      bondMin,
      validatorsMax,
      churnPerMillion,
      unbondingEpochs,
    }),
  );

const slashingSchema = z
  .tuple([
    perMillion,
    uint(100),
    perMillion,
    perMillion,
    perMillion,
    uint(EPOCH_BLOCKS_MAX),
    uint(UNBONDING_EPOCHS_MAX),
  ])
  .transform(
    ([
      doubleSignPerMillion,
      correlationFactor,
      attackPerMillion,
      downtimePerMillion,
      missedPerMillion,
      missedMin,
      jailEpochs,
    ]): SlashingRules => ({
      doubleSignPerMillion,
      correlationFactor,
      attackPerMillion,
      downtimePerMillion,
      missedPerMillion,
      missedMin,
      jailEpochs,
    }),
  );

/** Parses the tuple; throws nothing away and refuses what contradicts itself. */
export const parametersSchema: z.ZodType<Parameters> = z
  .tuple([
    uint(EPOCH_BLOCKS_MAX),
    uint(UNBONDING_EPOCHS_MAX),
    uint(EPOCH_BLOCKS_MAX),
    bigUint,
    stakeSchema,
    z
      .tuple([uint(), uint(), perMillion])
      .transform(([ageBlocks, ageMs, reporterPerMillion]) => ({ ageBlocks, ageMs, reporterPerMillion })),
    slashingSchema,
    listOf(assetSchema, ASSETS_MAX),
    z.tuple([bigUint, bigUint]).transform(([perTransaction, perByte]) => ({ perTransaction, perByte })),
    z
      .tuple([uint(SHARD_BITS_MAX), uint(SHARD_BITS_MAX), uint(), uint()])
      .transform(([bitsMin, bitsMax, splitLoad, mergeLoad]) => ({ bitsMin, bitsMax, splitLoad, mergeLoad })),
    z
      .tuple([uint(MEMBERS_MAX), uint(MEMBERS_MAX), z.boolean()])
      .transform(([shardMembersMin, operatorShareDivisor, isTrial]) => ({
        shardMembersMin,
        operatorShareDivisor,
        isTrial,
      })),
    z
      .tuple([timeoutMs, timeoutMs, timeoutMs, timeoutMs])
      .transform(([proposeMs, proposeGrowthMs, voteMs, voteGrowthMs]) => ({
        proposeMs,
        proposeGrowthMs,
        voteMs,
        voteGrowthMs,
      })),
    auditRulesSchema,
    z.tuple([bigUint, uint()]).transform(([perGib, epochMs]): PriceRules => ({ perGib, epochMs })),
  ])
  .transform(
    ([
      epochBlocks,
      proposalEpochs,
      receiptLifetimeBlocks,
      rewardPerEpoch,
      stake,
      evidence,
      slashing,
      assets,
      fees,
      sharding,
      storage,
      timeouts,
      audit,
      prices,
    ]): Parameters => ({
      epochBlocks,
      proposalEpochs,
      receiptLifetimeBlocks,
      rewardPerEpoch,
      stake,
      evidence,
      slashing,
      assets,
      fees,
      sharding,
      storage,
      timeouts,
      audit,
      prices,
    }),
  )
  .superRefine((parameters, context) => {
    const problem = parametersProblem(parameters);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

export function parametersTuple(parameters: Parameters): readonly unknown[] {
  const { stake, evidence, slashing, fees, sharding, storage, timeouts, prices } = parameters;
  return [
    parameters.epochBlocks,
    parameters.proposalEpochs,
    parameters.receiptLifetimeBlocks,
    parameters.rewardPerEpoch,
    [
      stake.validatorMin,
      stake.nodeMin,
      stake.bondMin,
      stake.validatorsMax,
      stake.churnPerMillion,
      stake.unbondingEpochs,
    ],
    [evidence.ageBlocks, evidence.ageMs, evidence.reporterPerMillion],
    [
      slashing.doubleSignPerMillion,
      slashing.correlationFactor,
      slashing.attackPerMillion,
      slashing.downtimePerMillion,
      slashing.missedPerMillion,
      slashing.missedMin,
      slashing.jailEpochs,
    ],
    parameters.assets.map(({ name, weight, isCapacity }) => [name, weight, isCapacity]),
    [fees.perTransaction, fees.perByte],
    [sharding.bitsMin, sharding.bitsMax, sharding.splitLoad, sharding.mergeLoad],
    [storage.shardMembersMin, storage.operatorShareDivisor, storage.isTrial],
    [timeouts.proposeMs, timeouts.proposeGrowthMs, timeouts.voteMs, timeouts.voteGrowthMs],
    auditRulesTuple(parameters.audit),
    [prices.perGib, prices.epochMs],
  ];
}

export const parametersRecord: RecordType<Parameters> = {
  name: 'parameters',
  schema: parametersSchema,
  tuple: parametersTuple,
};

export function parametersDigest(parameters: Parameters, sha256?: Sha256): Digest {
  return digest('parameters', [encode(parametersTuple(parameters))], sha256);
}

// ---- Sense -------------------------------------------------------------------------------------------------------

type Check = readonly [holds: (parameters: Parameters) => boolean, problem: string];

const CHECKS: readonly Check[] = [
  [({ epochBlocks }) => epochBlocks >= 2, 'an epoch has at least two blocks'],
  [({ proposalEpochs }) => proposalEpochs >= 1, 'a proposal is open for an epoch at least'],
  [({ receiptLifetimeBlocks }) => receiptLifetimeBlocks >= 1, 'a receipt has a block to be executed in'],
  [
    ({ rewardPerEpoch }) => rewardPerEpoch <= ASSET_SUPPLY_MAX,
    'a reward is above what there may be of an asset',
  ],
  [
    ({ stake }) => stake.validatorMin >= 1n && stake.nodeMin >= 1n && stake.bondMin >= 1n,
    'least stakes are at least 1',
  ],
  [({ stake }) => stake.nodeMin >= stake.bondMin, 'the first bond of a node is a bond'],
  [({ stake }) => stake.validatorsMax >= 1, 'there is a validator'],
  [({ stake }) => stake.churnPerMillion >= 1, 'without churn nobody could ever leave'],
  [({ stake }) => stake.unbondingEpochs >= 1, 'unbonding takes an epoch at least'],
  [({ evidence }) => evidence.ageBlocks >= 1 && evidence.ageMs >= 1, 'evidence is taken for a while'],
  [
    ({ evidence, stake, epochBlocks }) => evidence.ageBlocks <= stake.unbondingEpochs * epochBlocks,
    'evidence would be taken when the stake behind it is gone',
  ],
  [
    ({ slashing }) => slashing.attackPerMillion >= slashing.doubleSignPerMillion,
    'an attack costs no less than a slip',
  ],
  [({ slashing }) => slashing.missedMin >= 1 && slashing.jailEpochs >= 1, 'jail is for something, and lasts'],
  [({ assets }) => assets.length >= 1 && !assets[0]!.isCapacity, 'asset 0 is the native token'],
  [({ assets }) => assets[0]!.weight >= 1n, 'the native token gives stake'],
  [({ assets }) => assets.every(({ weight }) => weight <= ASSET_WEIGHT_MAX), 'a weight is too large'],
  [
    ({ assets }) => assets.filter(({ isCapacity }) => isCapacity).length <= 1,
    'one asset at most is capacity',
  ],
  [({ assets }) => new Set(assets.map(({ name }) => name)).size === assets.length, 'two assets share a name'],
  [({ sharding }) => sharding.bitsMin <= sharding.bitsMax, 'the least number of shards is above the largest'],
  [({ sharding }) => sharding.splitLoad >= 1, 'shards without load do not split'],
  [({ sharding }) => 4 * sharding.mergeLoad <= sharding.splitLoad, 'shards would split and merge in turns'],
  [
    ({ storage }) => storage.shardMembersMin >= 1 && storage.operatorShareDivisor >= 1,
    'a shard has members, and an operator a share of them',
  ],
  [({ prices }) => prices.perGib <= ASSET_SUPPLY_MAX, 'a price is above what there may be of an asset'],
  [({ prices }) => prices.epochMs >= 1, 'an epoch that is paid for takes time'],
  [({ timeouts }) => timeouts.proposeMs >= 1 && timeouts.voteMs >= 1, 'a time-out takes time'],
  [
    ({ timeouts }) => timeouts.proposeGrowthMs >= 1 && timeouts.voteGrowthMs >= 1,
    'time-outs that do not grow may never be long enough',
  ],
];

/** What is wrong with parameters that are in form; undefined when nothing is. */
export function parametersProblem(parameters: Parameters): string | undefined {
  return CHECKS.find(([holds]) => !holds(parameters))?.[1] ?? auditRulesProblem(parameters.audit);
}

/** Why `next` cannot follow on `now`: amounts name assets by index, so what there is of them stays where it is. */
export function successionProblem(now: Parameters, next: Parameters): string | undefined {
  const isKept = now.assets.every((asset, index) => {
    const same = next.assets[index];
    return same !== undefined && same.name === asset.name && same.isCapacity === asset.isCapacity;
  });
  return isKept ? undefined : 'an asset is missing, has moved or is another';
}

// ---- In the state ------------------------------------------------------------------------------------------------

export function parametersKey(): StateKey {
  return systemKey('parameters');
}

export function parametersOf(state: Overlay): Parameters {
  const parameters = state.get(parametersKey(), parametersRecord);
  assert(parameters !== undefined, 'a network has parameters from its genesis on');
  return parameters;
}

export function putParameters(state: Overlay, parameters: Parameters): void {
  assert(parametersProblem(parameters) === undefined, 'parameters in force make sense');
  state.put(parametersKey(), parametersRecord, parameters);
}
