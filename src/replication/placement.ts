// Who should hold the pieces of a segment: a pure function of (epoch record, segment id), the same for everybody.
// Weighted rendezvous hashing: each member draws an exponential variate with its weight as rate from the hash of
// (admission seed, segment id); the smallest comes first. So a member's share follows its weight, and a member
// that joins or leaves moves only its own share. All in integers, because two machines must never disagree.

import { compare } from '../base/bytes.ts';
import { type EpochRecord, type Member, shardOf } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import { type Domain, digest } from '../base/hash.ts';
import type { ObjectId, SegmentId, ShardId } from '../base/ids.ts';
import { uint32 } from '../base/bytes.ts';

const GIB = 1024n ** 3n;
/** Fractional bits of the fixed-point logarithm. */
const FRACTION_BITS = 40;
const SCALE = 1n << BigInt(FRACTION_BITS);

export interface Placement {
  /** Target of piece i at index i. */
  readonly holders: readonly Member[];
  /** Who takes over when a holder fails, in order. */
  readonly spares: readonly Member[];
}

export interface PlacementOptions {
  /** One-machine trial: lets one operator hold several pieces of a segment. Never the default. */
  readonly allowSameOperator?: boolean;
}

/**
 * Targets of the n pieces of a segment among the storage members of its object's shard: at most one per operator,
 * spread over failure domains. Throws NOT_ENOUGH_OPERATORS.
 */
export function placeSegment(
  record: EpochRecord,
  object: ObjectId,
  segment: SegmentId,
  n: number,
  options: PlacementOptions = {},
): Placement {
  const shard = shardOf(object, record.params.shardBits);
  const inOrder = rank(shardMembers(record, shard), 'placement', segment);
  // A small network needs every node that may be back: who was silent comes last, not never.
  const ranked = [...inOrder.filter(isAnswering), ...inOrder.filter((member) => !isAnswering(member))];
  const distinct = new Set(ranked.map((member) => member.operator)).size;
  const available = options.allowSameOperator ? ranked.length : distinct;
  if (available < n) throw notEnough(n, distinct, ranked.length, options);
  const holders = chooseSpread(ranked, n, options.allowSameOperator === true);
  const chosen = new Set(holders);
  return { holders, spares: ranked.filter((member) => !chosen.has(member)) };
}

const isAnswering = ({ isSuspended }: Member): boolean => isSuspended !== true;

function notEnough(n: number, operators: number, nodes: number, options: PlacementOptions): StoreError {
  const have = options.allowSameOperator ? `${nodes} nodes` : `${operators} independent operators`;
  return new StoreError('NOT_ENOUGH_OPERATORS', `the code wants ${n} holders, the shard has ${have}`, {
    next: `use a smaller code (--code k/n with n <= ${options.allowSameOperator ? nodes : operators}) or let more operators join`,
  });
}

/**
 * Storage members of a shard: everybody while the network is small, else the first of the shard's own ranking, with
 * at most 1/operatorShareDivisor of the seats for one operator.
 */
export function shardMembers(record: EpochRecord, shard: ShardId): readonly Member[] {
  const { shardBits, shardMembersMin, operatorShareDivisor } = record.params;
  const seats = Math.max(shardMembersMin, Math.ceil((2 * record.members.length) / 2 ** shardBits));
  if (shardBits === 0 || record.members.length <= seats) return record.members;
  const perOperator = Math.max(1, Math.floor(seats / operatorShareDivisor));
  const taken = new Map<string, number>();
  const members: Member[] = [];
  for (const member of rank(record.members, 'shard-members', uint32(shard))) {
    const count = taken.get(member.operator) ?? 0;
    if (members.length === seats) break;
    if (count === perOperator) continue;
    taken.set(member.operator, count + 1);
    members.push(member);
  }
  return members;
}

/** Members in the order of their draws for `key`; also the order in which a record named by `key` is looked for. */
export function rank(members: readonly Member[], domain: Domain, key: Uint8Array): readonly Member[] {
  const draws = members.map((member) => ({
    member,
    weight: weightOf(member),
    height: negativeLog2(digest(domain, [member.admissionSeed, key])),
  }));
  // height / weight ascending, compared by cross-multiplication; ids break the (practically impossible) tie.
  draws.sort((a, b) => {
    const difference = a.height * b.weight - b.height * a.weight;
    return difference < 0n ? -1 : difference > 0n ? 1 : compare(a.member.node, b.member.node);
  });
  return draws.map((draw) => draw.member);
}

/** Geometric mean of stake and capacity: neither empty promises nor idle tokens attract data alone. */
export function weightOf(member: Member): bigint {
  const capacity = BigInt(member.capacityBytes) / GIB;
  return squareRoot((member.stake > 0n ? member.stake : 1n) * (capacity > 0n ? capacity : 1n) * SCALE);
}

/**
 * Picks n in rank order, one per operator, such that no failure domain gets more than its even share while there is
 * a choice: the bound per domain value starts at ceil(n / values) and is raised only when the members run out. Fewer
 * than n when there are too few operators.
 */
export function chooseSpread(
  ranked: readonly Member[],
  n: number,
  allowSameOperator: boolean,
): readonly Member[] {
  const shareOf = evenShares(ranked, n);
  for (let slack = 0; slack < n; slack++) {
    const chosen = pick(ranked, n, allowSameOperator, (label) => shareOf(label) + slack);
    if (chosen.length === n) return chosen;
  }
  return pick(ranked, n, allowSameOperator, () => n);
}

/** Of a failure domain's label: the even share of n pieces that a value has, by the values among these members. */
export function evenShares(members: readonly Member[], n: number): (label: string) => number {
  const valuesOf = new Map<string, Set<string>>();
  for (const member of members) {
    for (const [label, value] of member.domains) {
      valuesOf.set(label, (valuesOf.get(label) ?? new Set()).add(value));
    }
  }
  return (label) => Math.ceil(n / Math.max(1, valuesOf.get(label)?.size ?? 1));
}

function pick(
  ranked: readonly Member[],
  n: number,
  allowSameOperator: boolean,
  bound: (label: string) => number,
): readonly Member[] {
  const operators = new Set<string>();
  const perDomain = new Map<string, number>();
  const chosen: Member[] = [];
  for (const member of ranked) {
    if (chosen.length === n) break;
    if (!allowSameOperator && operators.has(member.operator)) continue;
    const domains = member.domains.map(([label, value]) => ({ label, key: `${label}=${value}` }));
    if (domains.some(({ label, key }) => (perDomain.get(key) ?? 0) >= bound(label))) continue;
    operators.add(member.operator);
    for (const { key } of domains) perDomain.set(key, (perDomain.get(key) ?? 0) + 1);
    chosen.push(member);
  }
  return chosen;
}

/**
 * -log2(u) in fixed point for u = (first 64 bits of the digest + 1) / 2^64, in (0, 1]. Digit by digit: squaring the
 * mantissa shifts the next binary digit of the logarithm out (Knuth, TAOCP 1.2.2, exercise 25).
 */
function negativeLog2(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = 0; index < 8; index++) value = (value << 8n) | BigInt(bytes[index]!);
  value += 1n;
  let exponent = 0n;
  while (value >> (exponent + 1n) > 0n) exponent += 1n;
  // mantissa in [1, 2) with 62 fractional bits; the products stay below 2^126, which bigint holds exactly.
  let mantissa = exponent <= 62n ? value << (62n - exponent) : value >> (exponent - 62n);
  let logarithm = exponent << BigInt(FRACTION_BITS);
  for (let bit = FRACTION_BITS - 1; bit >= 0; bit--) {
    mantissa = (mantissa * mantissa) >> 62n;
    if (mantissa >> 63n > 0n) {
      logarithm += 1n << BigInt(bit);
      mantissa >>= 1n;
    }
  }
  return 64n * SCALE - logarithm;
}

/** Floor of the square root, by Newton's iteration. */
function squareRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let guess = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + value / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}
