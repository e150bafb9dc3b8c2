// `src/consensus/proposer.ts`, where the schedule of an epoch is drawn once.

import { toHex } from '../../../../src/base/bytes.ts';
import * as real from '../../../../src/consensus/proposer.ts';
import type { ProposerSchedule } from '../../../../src/consensus/types.ts';
import { isSharing, memo } from './sharing.ts';

export * from '../../../../src/consensus/proposer.ts';

/** By what is drawn from. */
const schedules = memo(new Map<string, ProposerSchedule>());

export const proposerSchedule: typeof real.proposerSchedule = (set, seed, firstHeight, sha256) => {
  if (!isSharing()) return real.proposerSchedule(set, seed, firstHeight, sha256);
  const powers = set.validators.map(({ power }) => power).join(' ');
  const name = `${firstHeight} ${toHex(seed)} ${powers}`;
  let schedule = schedules.get(name);
  if (schedule === undefined) {
    schedule = real.proposerSchedule(set, seed, firstHeight, sha256);
    schedules.set(name, schedule);
  }
  return schedule;
};
