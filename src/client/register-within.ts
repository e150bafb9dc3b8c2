// How long what was put can still be registered: nodes take away what the chain does not name, a grace after it came to them.

import type { EpochRecord } from '../base/epoch.ts';
import { REGISTER_WITHIN_MS, REGISTER_WITHIN_TRIAL_MS } from '../base/limits.ts';

/** Milliseconds since the put began. Undefined: the network could not be asked what it is. */
export function registerWithinMs(epoch: EpochRecord | undefined): number {
  return epoch?.params.isTrial === true ? REGISTER_WITHIN_TRIAL_MS : REGISTER_WITHIN_MS;
}
