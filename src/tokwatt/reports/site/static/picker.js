"use strict";
/* The file of a trace: read, said in a sentence, and a workload from then on. */

/* Bytes of a file that browsers read as one text. */
const LARGEST_TRACE = 2 ** 28;

let ownTrace = null;

async function traceOf(file) {
  if (file.size > LARGEST_TRACE)
    throw new Refusal(
      `${file.name}: has ${shown(file.size / 2 ** 20)} MiB, wanted at most ` +
        `${LARGEST_TRACE / 2 ** 20}; tokwatt fleet --trace reads more.`,
    );
  return Traces.read(EXPLORER.reading, file.name, await textOf(file));
}

/* The text of a file, which may be packed by gzip. */
async function textOf(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return file.text();
  const unpacked = file.stream().pipeThrough(new DecompressionStream("gzip"));
  try {
    return await new Response(unpacked).text();
  } catch {
    throw new Refusal(`${file.name}: is not whole, wanted all that gzip packed.`);
  }
}

async function chooseTrace(file) {
  tell(`${file.name} is being read.`);
  try {
    const trace = await traceOf(file);
    takeTrace(trace);
    tell(Traces.said(trace, shown));
  } catch (error) {
    if (error instanceof Refusal) tell(error.message, true);
    else if (error instanceof DOMException || error instanceof RangeError)
      tell(`${file.name}: ${error.message}`, true);
    else throw error;
  }
}

function tell(sentence, isProblem = false) {
  const note = document.getElementById("trace-note");
  note.textContent = sentence;
  note.classList.toggle("problem", isProblem);
}

/* The page goes on with a trace as its workload, at its own rate and with its own outputs; a split
   that all its requests are within is none. */
function takeTrace(trace) {
  ownTrace = trace;
  const { workload, share, arrivals, split } = form.elements;
  workload.value = OWN_TRACE;
  workload.selectedOptions[0].textContent = `Your own trace: ${trace.name}`;
  share.value = "";
  if (trace.rate) arrivals.value = round(trace.rate);
  const longest = trace.requests.prompt.at(-1) + trace.requests.output.at(-1);
  if (Number(split.value) >= longest) split.value = 0;
  form.querySelectorAll("input[data-for]").forEach(setSlider);
  forget();
  update();
}

document.getElementById("trace").addEventListener("change", ({ target }) => {
  if (target.files.length) chooseTrace(target.files[0]);
});
