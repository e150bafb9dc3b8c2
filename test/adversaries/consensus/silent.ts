// Silent: hears everything, says nothing, gives nothing. It hopes that the others wait for it, and is no different from a validator
// that crashed: its rounds are lost, and nothing else.

import { silent as mute } from '../../sim/wrapped.ts';
import type { Liar } from './liar.ts';

export const silent: Liar = () => mute;
