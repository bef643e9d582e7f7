import { loadConfig } from './load.ts'
import { reportJson, reportText } from './report.ts'

/** What `tollgate check` is given. */
export interface CheckInit {
  readonly file: string
  readonly format: 'text' | 'json'
  readonly env: NodeJS.ProcessEnv
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly color: boolean
}

/** Runs `tollgate check`. @returns 0 without errors, 1 with some, 2 when the file cannot be read */
export function runCheck({ file, format, env, stdout, stderr, color }: CheckInit): 0 | 1 | 2 {
  const result = loadConfig(file, env)
  if (format === 'json') stdout.write(reportJson(file, result))
  else (result.text === null ? stderr : stdout).write(reportText(result, { color }))
  if (!result.ok) return result.text === null ? 2 : 1
  if (format === 'text') {
    const { authenticate, route } = result.config
    const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
    const parts = [
      count(authenticate.issuers.length, 'issuer'),
      count(route.pools.size, 'pool'),
      count(route.teams.size, 'team')
    ]
    stdout.write(`${file}: fine (${parts.join(', ')})\n`)
  }
  return 0
}
