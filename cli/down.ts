// `store down`: asks the process that runs a local network to end, and waits until it has.

import { parseText } from './args.ts';
import type { CommandSpec } from './command.ts';

export const down: CommandSpec = {
  name: 'down',
  summary: 'stop the local network that "store up" runs',
  operands: '',
  options: [
    { flags: '--dir <folder>', help: 'its folder (default: where this home ran it last)', parse: parseText },
  ],
  async run({ output, home, signal }, _, flags) {
    const { localFolder, stopOwner } = await import('./local-folder.ts');
    const folder = localFolder(home, flags['dir'] as string | undefined);
    const running = await stopOwner(folder, signal);
    output.note(`stopped the local network in ${folder}; "store up" starts it again with everything in it`);
    output.result(undefined, { dir: folder, nodes: running?.nodes.length ?? 0 });
    return undefined;
  },
};
