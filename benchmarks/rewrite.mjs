// Changes one record as MediaOS does: read the whole file, change it, write the whole file.
// node rewrite.mjs LIBRARY [TIMES]
import { readFile, writeFile } from 'node:fs/promises'

const [library, times = '1'] = process.argv.slice(2)
const took = []
for (let number = 0; number < Number(times); number++) {
  const started = performance.now()
  const document = JSON.parse(await readFile(library, 'utf8'))
  document.items[Math.floor(document.items.length / 2)].year = 1900 + number
  await writeFile(library, JSON.stringify(document, null, 2), 'utf8')
  took.push((performance.now() - started) / 1000)
}
took.sort((one, other) => one - other)
console.log(JSON.stringify({ seconds: took[Math.floor(took.length / 2)] }))
