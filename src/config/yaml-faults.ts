import type { YAMLError } from 'yaml'

const QUOTE = 'quote a value that holds special characters'

/** What the parser finds wrong, in our words: its own quote the text, and that may be a secret. */
const YAML_FAULTS: Readonly<Record<YAMLError['code'], string>> = {
  ALIAS_PROPS: `an alias (*) has an anchor or a tag; ${QUOTE}`,
  BAD_ALIAS: `a value that begins with * is an alias to YAML; ${QUOTE}`,
  BAD_COLLECTION_TYPE: `a value that begins with ! is a tag to YAML; ${QUOTE}`,
  BAD_DIRECTIVE: `a line that begins with % is a directive to YAML; ${QUOTE}`,
  BAD_DQ_ESCAPE:
    'between double quotes a backslash begins an escape, and YAML does not know this one; use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_PROP_ORDER: `an anchor (&) or a tag (!) is in the wrong place; ${QUOTE}`,
  BAD_SCALAR_START: `a value begins with a character that YAML reserves; ${QUOTE}`,
  BLOCK_AS_IMPLICIT_KEY: `a map begins in the middle of a line; ${QUOTE}`,
  BLOCK_IN_FLOW: 'a value in lines of its own is inside of brackets or braces',
  DUPLICATE_KEY: 'this key stands twice in the same place',
  IMPOSSIBLE: `the text is no YAML here; ${QUOTE}`,
  KEY_OVER_1024_CHARS: 'a key has more than 1024 characters',
  MISSING_CHAR: 'a colon, a comma, a quote or a bracket is missing here',
  MULTILINE_IMPLICIT_KEY: 'a key and its colon have to be in one line, with a space behind the colon',
  MULTIPLE_ANCHORS: `a value has more than one anchor (&); ${QUOTE}`,
  MULTIPLE_DOCS: 'a second document begins here; the file must be one',
  MULTIPLE_TAGS: `a value has more than one tag (!); ${QUOTE}`,
  NON_STRING_KEY: 'a key has to be a text',
  RESOURCE_EXHAUSTION: 'the text is nested too deeply',
  TAB_AS_INDENT: 'a tab indents this line; YAML wants spaces',
  TAG_RESOLVE_FAILED: `a value that begins with ! is a tag to YAML; ${QUOTE}`,
  UNEXPECTED_TOKEN: `YAML expects something else here; ${QUOTE}`
}

/** What an error of the parser means, without a character of the text. */
export function yamlFault(code: YAMLError['code']): string {
  return YAML_FAULTS[code] ?? YAML_FAULTS.IMPOSSIBLE
}
