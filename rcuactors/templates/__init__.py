"""What `rcuactors new` writes: files that work as they are, checked as all the code here is."""
