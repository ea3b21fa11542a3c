// Package draw draws what tables show badly, as SVG: figures over time, and the messages of a call.
//
// It owns the geometry. Colours are classes of the style sheet, and so is the size: a drawing fills its box, and its lines keep their width. All
// text of a graph stands outside the drawing in HTML, where it keeps its size on a telephone; a ladder keeps its own size. Text is escaped by
// html/template. Each drawing has a title and a description, and a graph can have its figures as a table. Nothing here knows the box, reads a clock or has a goroutine.
package draw
