// What makes a header believable to somebody who does not execute blocks. Pure: the caller brings what it trusts and the time.
//
//   A light block by itself: its parts belong together, and more than two thirds of its own validators signed it.
//   The next one after a trusted one: its validators are those that the trusted one announced, and it names it as its parent.
//   A later one: more than a third of the power that was trusted signed it, so that at least one honest validator of that set did.
//
// The last two count only while whoever was trusted can still be punished: within the trust period. Signatures come last, as they cost most.

import { equal, toHex } from '../../base/bytes.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, NetworkId } from '../../base/ids.ts';
import type { Verify } from '../../base/ports.ts';
import { type CertificateProblem, checkCertificate } from '../../consensus/certificate.ts';
import type { ValidatorSet } from '../../consensus/types.ts';
import { indexOf, isWeak, powerOf, validatorSetDigest } from '../../consensus/validator-set.ts';
import type { LightBlock } from '../../shards/light-block.ts';

/** What is taken for granted of a height: to judge others by. */
export interface Trusted {
  /** 0: the founding document. */
  readonly height: number;
  readonly id: Digest;
  readonly timeMs: number;
  /** Of this height; at 0, of the first. */
  readonly validators: ValidatorSet;
  readonly nextValidators: Digest;
}

export interface LightRules {
  readonly network: NetworkId;
  readonly verify: Verify;
  readonly sha256: Sha256;
  /** The caller's clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** Whoever was trusted is believed for so long after the header that shows them. */
  readonly trustPeriodMs: number;
  /** Headers may be so far ahead of `nowMs`. */
  readonly clockDriftMs: number;
}

export type LightProblem =
  | 'wrong-network'
  | 'wrong-id' // the certificate is for another block
  | 'wrong-height'
  | 'wrong-set' // the validators are not those that the header, or the trusted one before it, names
  | 'wrong-parent'
  | 'not-later'
  | 'from-the-future'
  | CertificateProblem;

/** Too few of those who are trusted signed it: it may be right, but must be reached by way of others. */
export type TooFar = 'too-far';

export function trustedOf({ header, id, validators }: LightBlock): Trusted {
  const { height, timeMs, nextValidators } = header;
  return { height, id, timeMs, validators, nextValidators };
}

export function isExpired({ nowMs, trustPeriodMs }: LightRules, trusted: Trusted): boolean {
  return nowMs - trusted.timeMs > trustPeriodMs;
}

/** Of the block by itself: whether its validators are the network's is not asked. */
export function checkLightBlock(rules: LightRules, light: LightBlock): LightProblem | undefined {
  return formProblem(rules, light) ?? signatureProblem(rules, light);
}

/** `light` follows on `trusted` directly. */
export function verifyAdjacent(
  rules: LightRules,
  trusted: Trusted,
  light: LightBlock,
): LightProblem | undefined {
  const problem = formProblem(rules, light) ?? orderProblem(rules, trusted, light);
  if (problem !== undefined) return problem;
  const { header } = light;
  if (header.height !== trusted.height + 1) return 'wrong-height';
  if (!equal(header.validators, trusted.nextValidators)) return 'wrong-set';
  if (!equal(header.parent, trusted.id)) return 'wrong-parent';
  return signatureProblem(rules, light);
}

/** Whether one step leads there if all else holds, so that nobody has to be asked for headers in between. Costs no signature. */
export function isWithinStep(trusted: Trusted, light: LightBlock): boolean {
  const { height } = light.header;
  if (height <= trusted.height) return false;
  return height === trusted.height + 1 || isWeak(trusted.validators, trustedPower(trusted.validators, light));
}

/** Its time has not come yet by the caller's clock. */
export function isAhead({ nowMs, clockDriftMs }: LightRules, { header }: LightBlock): boolean {
  return header.timeMs > nowMs + clockDriftMs;
}

/** `light` is of any height above `trusted`. */
export function verifySkipping(
  rules: LightRules,
  trusted: Trusted,
  light: LightBlock,
): LightProblem | TooFar | undefined {
  const problem = formProblem(rules, light) ?? orderProblem(rules, trusted, light);
  if (problem !== undefined) return problem;
  if (!isWeak(trusted.validators, trustedPower(trusted.validators, light))) return 'too-far';
  return signatureProblem(rules, light);
}

/** The one of the two that fits. */
export function verifyLight(
  rules: LightRules,
  trusted: Trusted,
  light: LightBlock,
): LightProblem | TooFar | undefined {
  const isNext = light.header.height === trusted.height + 1;
  return isNext ? verifyAdjacent(rules, trusted, light) : verifySkipping(rules, trusted, light);
}

/**
 * Whether both of one height cannot be of one honest chain: two blocks, each signed by a quorum of its validators, of whom more
 * than a third of what was trusted at that height stand behind the other one.
 */
export function isConflict(rules: LightRules, trusted: Trusted, other: LightBlock): boolean {
  if (other.header.height !== trusted.height || equal(other.id, trusted.id)) return false;
  return (
    isWeak(trusted.validators, trustedPower(trusted.validators, other)) &&
    checkLightBlock(rules, other) === undefined
  );
}

// ---- Parts -------------------------------------------------------------------------------------------------------

/** What costs no signature. */
function formProblem({ network, sha256 }: LightRules, light: LightBlock): LightProblem | undefined {
  const { header, id, certificate, validators } = light;
  if (!equal(header.network, network)) return 'wrong-network';
  if (header.height < 1 || certificate.height !== header.height) return 'wrong-height';
  if (certificate.blockId !== toHex(id)) return 'wrong-id';
  return equal(validatorSetDigest(validators, sha256), header.validators) ? undefined : 'wrong-set';
}

function orderProblem(rules: LightRules, trusted: Trusted, light: LightBlock): LightProblem | undefined {
  const { header } = light;
  if (header.height <= trusted.height || header.timeMs <= trusted.timeMs) return 'not-later';
  return isAhead(rules, light) ? 'from-the-future' : undefined;
}

function signatureProblem({ network, verify }: LightRules, light: LightBlock): LightProblem | undefined {
  return checkCertificate(network, light.validators, light.certificate, verify);
}

/** Power in `trusted` of the signers of `light`, by the keys that they have in both sets. */
function trustedPower(trusted: ValidatorSet, { certificate, validators }: LightBlock): bigint {
  let power = 0n;
  for (const { validator } of certificate.signatures) {
    const signer = validators.validators[validator];
    const index = signer === undefined ? undefined : indexOf(trusted, signer.node);
    if (index !== undefined) power += powerOf(trusted, index);
  }
  return power;
}
