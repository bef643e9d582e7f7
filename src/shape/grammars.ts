import { GateError } from '../errors.ts'
import { type Fields, isRecord } from './json.ts'

/** Names under which engines take what they compile: an expression, a grammar, or tags that hold either. */
const GRAMMARS = ['regex', 'regex_schema', 'grammar', 'structural_tag', 'ebnf', 'whitespace_pattern'] as const

/**
 * Refuses what an engine would compile of the caller's own: engines have died of expressions and grammars
 * (engines.md section 2, row 13). A schema is bounded, by `caps.ts`.
 *
 * @throws TOLLGATE_SHAPE_FIELD with `param`
 */
export function checkGrammars({ structured_outputs: outputs, response_format: format, tools }: Fields): void {
  if (isRecord(outputs) && GRAMMARS.some(name => outputs[name] !== undefined && outputs[name] !== null)) {
    throw refused('structured_outputs')
  }
  if (isRecord(format) && GRAMMARS.some(name => format.type === name)) throw refused('response_format')
  if (Array.isArray(tools) && tools.some(hasGrammar)) throw refused('tools')
}

/** A custom tool of OpenAI's may ask that what it is given follows a grammar. */
function hasGrammar(tool: unknown): boolean {
  if (!isRecord(tool)) return false
  return [tool, tool.custom].some(of => isRecord(of) && isRecord(of.format) && of.format.type === 'grammar')
}

function refused(param: string): GateError {
  return new GateError('TOLLGATE_SHAPE_FIELD', { param })
}
