// `store help`: the same text as --help, and topics that belong to no command.

import { StoreError } from '../src/base/errors.ts';
import type { CommandSpec } from './command.ts';
import { EXIT_CODES_TOPIC } from './errors.ts';

export const help: CommandSpec = {
  name: 'help',
  summary: 'explain a command, or the exit codes',
  operands: '[topic]',
  options: [],
  async run({ output }, [topic]) {
    const { COMMANDS, helpText } = await import('./program.ts');
    if (topic === 'exit-codes') {
      output.result(EXIT_CODES_TOPIC, { topic, text: EXIT_CODES_TOPIC });
    } else if (topic === undefined || COMMANDS.some(({ name }) => name === topic)) {
      const text = helpText(topic).trimEnd();
      output.result(text, { topic: topic ?? 'store', text });
    } else {
      throw new StoreError('INVALID_ARGUMENT', `there is no help on "${topic}"`, {
        next: 'Name a command that "store --help" lists, or exit-codes.',
      });
    }
    return undefined;
  },
};
